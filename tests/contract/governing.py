"""Operators at work: the real `auth`, PostgreSQL and NATS, and two gateways that must hear of what they do."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mesh.errors import PagemeshError
from services.auth.settings import AuthSettings
from tests.contract.authing import settings_for
from tests.support.identity_mesh import IdentityMesh, Person, identity_mesh
from tests.support.operators import Admin, administering
from tests.support.servers import NatsServer

NOBODY = "00000000-0000-4000-8000-000000000000"
SOON = 1.0
"""Seconds within which every gateway must know."""
ENDLESS = 1_000_000_000
OF_TIERS = (f'"minute";q={ENDLESS};w=60', f'"hour";q={ENDLESS};w=3600')


@pytest.fixture(scope="module")
def settings(fresh_database: Callable[[], str], nats_server: NatsServer) -> Iterator[AuthSettings]:
    """Settings of the service."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        changed = {"nats_url": SecretStr(nats_server.url)}
        yield settings_for(fresh_database(), Path(directory)).model_copy(update=changed)


@pytest.fixture(scope="module")
async def mesh(settings: AuthSettings) -> AsyncIterator[IdentityMesh]:
    """A running mesh."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with identity_mesh(settings, Path(directory)) as running:
            yield running


@pytest.fixture(scope="module")
async def admin(mesh: IdentityMesh, settings: AuthSettings) -> AsyncIterator[Admin]:
    """An operator."""
    async with administering(settings) as operator:
        yield operator


def organization_of(person: Person) -> str:
    """Id of the person's organization."""
    return str(person.session["user"]["organization_id"])


def policies(mesh: IdentityMesh, token: str, *expected: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether both gateways tell of these limits."""

    async def ask() -> bool:
        told = [(await mesh.bearer(token, replica).get("/users/me")).headers for replica in (0, 1)]
        return all(header["ratelimit-policy"] == ", ".join(expected) for header in told)

    return ask


def answered(mesh: IdentityMesh, token: str, status: int, path: str = "/users/me") -> Callable[[], Awaitable[bool]]:
    """Asks whether both gateways answer so."""

    async def ask() -> bool:
        return {status} == {(await mesh.bearer(token, replica).get(path)).status_code for replica in (0, 1)}

    return ask


async def code_of(asking: Awaitable[object]) -> tuple[type[PagemeshError], str, str]:
    """Kind, code and field of the refusal."""
    with pytest.raises(PagemeshError) as caught:
        await asking
    return type(caught.value), caught.value.code, caught.value.details.get("field", "")
