"""Callbacks of zero-log work whose service ends before they are made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh.bus import Bus
from tests.contract.test_zero_log_calls import SETTINGS, read, submit
from tests.contract.zero_logging import meshed
from tests.support.receiver import Say, receiving
from tests.support.services import Caller


async def test_whoever_comes_after_goes_on(
    common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path, bus: Bus, ada: Caller
) -> None:
    """The intent lies in the broker's memory, and the next attempt is made when it is due."""
    slow, database = SETTINGS | {"webhook_pauses": "3"}, fresh_database()
    async with receiving() as receiver:
        url = receiver.plan("/later", Say(500))
        async with meshed(common, database, server_directory, bus, **slow) as mesh:
            document, _ = await submit(mesh, ada, url)
            await read(mesh, document.id)
            [first] = await receiver.got("/later")
        async with meshed(common, database, server_directory, bus, **slow):
            assert 1 == len(receiver.of("/later"))
            _, second = await receiver.got("/later", 2)
    assert (first.id, first.body) == (second.id, second.body)
