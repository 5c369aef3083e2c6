"""Computing in a thread: what comes of it, and that it stops when nobody waits."""

import asyncio
import contextvars
import itertools
import threading

import pytest

from services.analysis.computing import compute

name = contextvars.ContextVar("name", default="nobody")


async def test_the_outcome_comes_back() -> None:
    """A result, or the exception; the work sees the caller's context."""
    name.set("ada")
    assert "ada" == await compute(name.get)
    assert 3 == await compute(max, 1, 3)
    with pytest.raises(ZeroDivisionError):
        await compute(divmod, 1, 0)


async def test_it_stops_when_it_is_cancelled() -> None:
    """In the middle of an endless computation, at once; others go on."""
    begun, ended = threading.Event(), threading.Event()

    def count_for_ever() -> None:
        try:
            for number in itertools.count():
                begun.set()
                sum(range(number % 100))
        finally:
            ended.set()

    endless, other = asyncio.create_task(compute(count_for_ever)), asyncio.create_task(compute(sum, range(10**6)))
    await asyncio.to_thread(begun.wait, 30)
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    assert await asyncio.to_thread(ended.wait, 5)
    assert sum(range(10**6)) == await other


async def test_cancelling_what_has_just_ended_harms_nothing() -> None:
    """Whichever of the two is first."""
    before = threading.active_count()
    for _ in range(200):
        task = asyncio.create_task(compute(int))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    async with asyncio.timeout(10):
        while threading.active_count() > before:  # noqa: ASYNC110  # threads end elsewhere
            await asyncio.sleep(0.01)
    assert 0 == await compute(int)
