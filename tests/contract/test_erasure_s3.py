"""Erasing on a real S3, where folders are none."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh.bus import Bus
from services.auth.settings import AuthSettings
from services.results.settings import ResultsSettings
from tests.contract.erasing import NEVER, Erasing, orphans, served
from tests.support.s3 import S3Server
from tests.support.services import Caller


@pytest.fixture(scope="module")
def _environment(s3_server: S3Server) -> Iterator[None]:
    """How clients find the store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
async def results(
    common: dict[str, Any],
    fresh_database: Callable[[], str],
    server_directory: Path,
    bus: Bus,
    s3_server: S3Server,
    _environment: None,
) -> AsyncIterator[Erasing]:
    """The service on S3."""
    settings = ResultsSettings(
        **{**common, "storage_url": f"{s3_server.url}/erasing"},
        listen=f"unix:{server_directory}/erasure-s3.sock",
        database_url=SecretStr(fresh_database()),
        sweep_seconds=NEVER,
    )
    async with served(settings, bus) as erasing:
        yield erasing


async def test_deleted_documents_and_orphans_are_erased(results: Erasing, auth_service: AuthSettings) -> None:
    """And nothing else is."""
    caller = await Caller.register(auth_service)
    deleted, _ = await results.read_large(caller)
    kept, _ = await results.read_large(caller)
    await results.delete(caller, deleted.id)
    await results.sweep()
    assert ([], 2) == (await results.left(deleted), len(await results.left(kept)))
    assert 6 == (await results.erasure(caller, deleted.id)).objects
    made = await orphans(results, caller, deleted.id)
    async with results.sweeping() as sweeping:
        assert 0 == await sweeping.orphans.sweep()
        sweeping.orphans._age = -sweeping.orphans._age  # as if two days had passed
        assert 2 == await sweeping.orphans.sweep()
    left = {name for name, key in made.items() if await results.blobs.holds(key)}
    assert set(made) - {"lost", "late page"} == left
