"""Many things are done a few at a time, and an error waits for the others."""

import asyncio

import pytest

from mesh.errors import Unavailable
from services.results.few import for_each


async def test_no_more_than_so_many_at_once() -> None:
    """And all of them in the end."""
    running: set[int] = set()
    most, done = 0, []

    async def do(thing: int) -> None:
        nonlocal most
        running.add(thing)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.discard(thing)
        done.append(thing)

    await for_each(range(10), do, at_once=3)
    assert (3, list(range(10))) == (most, sorted(done))


async def test_an_error_is_raised_when_all_have_ended() -> None:
    """The first of several."""
    done: list[int] = []

    async def do(thing: int) -> None:
        if thing in (1, 2):
            raise Unavailable(f"{thing} is away")
        await asyncio.sleep(0)
        done.append(thing)

    with pytest.raises(Unavailable, match="1 is away"):
        await for_each(range(5), do)
    assert [0, 3, 4] == sorted(done)
