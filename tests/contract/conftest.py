"""What contract tests of the services share: a real auth service, people of two organizations, and a clean broker."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh.bus import Bus
from mesh.settings import MeshSettings
from services.auth.__main__ import serve as serve_auth
from services.auth.settings import AuthSettings
from tests.support.servers import NatsServer
from tests.support.services import ARRIVAL_SECRET, SECRET, Caller, Facts, auth_settings
from tests.support.sign_in import OpenIdServer, openid_server


@pytest.fixture(scope="session")
async def auth_service(
    fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AuthSettings]:
    """Settings of a running auth service."""
    settings = auth_settings(fresh_database(), tmp_path_factory.mktemp("auth-service"))
    async with serve_auth(settings):
        yield settings


@pytest.fixture(scope="session")
async def ada(auth_service: AuthSettings) -> Caller:
    """Somebody."""
    return await Caller.register(auth_service)


@pytest.fixture(scope="session")
async def bob(auth_service: AuthSettings) -> Caller:
    """Somebody of another organization."""
    return await Caller.register(auth_service)


@pytest.fixture(scope="session")
def corp() -> Iterator[OpenIdServer]:
    """A real OpenID provider."""
    with openid_server() as server:
        yield server


@pytest.fixture(scope="module")
def common(auth_service: AuthSettings, nats_server: NatsServer, server_directory: Path) -> dict[str, Any]:
    """Settings that every service of a module shares; the broker has nothing of other modules."""
    nats_server.wipe()
    return {
        "nats_url": SecretStr(nats_server.url),
        "storage_url": f"file://{server_directory}/blobs",
        "auth_url": auth_service.listen,
        "service_secret": SecretStr(SECRET),
        "arrival_secret": SecretStr(ARRIVAL_SECRET),
        "drain_seconds": 0.5,
    }


@pytest.fixture(scope="module")
async def bus(common: dict[str, Any]) -> AsyncIterator[Bus]:
    """The test's own connection to the broker."""
    bus = await Bus.connect(MeshSettings(**common))
    yield bus
    await bus.close()


@pytest.fixture(scope="module")
async def facts(bus: Bus) -> Facts:
    """What workers report."""
    facts = Facts(bus)
    await facts.start()
    return facts
