"""Cancelled jobs as workers hear of them: what runs stops, what comes is dropped, and nothing else is touched."""

import asyncio
from collections.abc import Callable

import pytest

from mesh import cancellations as module
from mesh.bus import Bus
from mesh.cancellations import Cancellations, Dropped
from mesh.streams import cancel_subject
from tests.support.broker import Tasks, eventually


class Work:
    """Work that ends when it may, and notes how it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = ""

    async def do(self, at_the_end: Callable[[], None] = lambda: None) -> None:
        self.begun.set()
        try:
            await self.may_end.wait()
            self.ended = "done"
        except asyncio.CancelledError:
            self.ended = "stopped"
            at_the_end()
            raise


def hear(cancellations: Cancellations, job_id: str) -> None:
    """As if it had been told."""
    cancellations.on_message(cancel_subject("an-organization", job_id), b"")


async def begun(cancellations: Cancellations, job_id: str, work: Work) -> "asyncio.Task[None]":
    """The work under way."""
    running = asyncio.create_task(cancellations.run(job_id, work.do()))
    await work.begun.wait()
    return running


async def test_work_under_way_is_stopped() -> None:
    """All of the job's, however often it is told, and none of another job's."""
    cancellations, works = Cancellations(), [Work(), Work(), Work()]
    first, second, other = [await begun(cancellations, job_id, work) for job_id, work in zip("aab", works, strict=True)]
    for _ in range(3):
        hear(cancellations, "a")
    for running in (first, second):
        with pytest.raises(Dropped):
            await running
    works[2].may_end.set()
    await other
    assert ["stopped", "stopped", "done"] == [work.ended for work in works]


async def test_work_of_a_cancelled_job_does_not_begin() -> None:
    """It counts as done."""
    cancellations, work = Cancellations(), Work()
    hear(cancellations, "a")
    with pytest.raises(Dropped):
        await cancellations.run("a", work.do())
    assert not work.begun.is_set()


async def test_what_goes_wrong_while_stopping_is_nobodys_concern() -> None:
    """A task that fails since it was stopped is not tried again; one that fails by itself is."""

    def fail() -> None:
        raise LookupError

    cancellations, work = Cancellations(), Work()
    running = await begun(cancellations, "a", work)

    async def stopped() -> None:
        await work.do(fail)

    failing = asyncio.create_task(cancellations.run("a", stopped()))
    await asyncio.sleep(0)
    hear(cancellations, "a")
    for each in (running, failing):
        with pytest.raises(Dropped):
            await each

    async def broken() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await cancellations.run("b", broken())


async def test_a_worker_that_stops_stops_its_work() -> None:
    """Which is not dropped, since somebody else has to do it."""
    cancellations, work = Cancellations(), Work()
    running = await begun(cancellations, "a", work)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "stopped" == work.ended


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were heard last are remembered."""
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    cancellations = Cancellations()
    for job_id in "abc":
        hear(cancellations, job_id)
    await cancellations.run("a", asyncio.sleep(0))
    for job_id in "bc":
        with pytest.raises(Dropped):
            await cancellations.run(job_id, asyncio.sleep(0))


async def test_a_worker_hears_drops_and_goes_on(bus: Bus) -> None:
    """Over the broker: its one slot is free at once, what waits of the job is dropped, and nothing is left or dead."""
    tasks, cancellations, work = Tasks(bus), await Cancellations.heard_by(bus), Work()

    async def handle(payload: bytes) -> None:
        job_id, _, name = payload.decode().partition("-")
        await cancellations.run(job_id, work.do() if name == "1" else asyncio.sleep(0))

    job_id = tasks.kind
    await tasks.put(f"{job_id}-1".encode(), f"{job_id}-2".encode(), b"other-3")
    worker = tasks.worker(handle, slots=1, prefetch=3)
    await worker.start()
    await work.begun.wait()
    await bus.tell(cancel_subject("an-organization", job_id), b"")
    await eventually(tasks.all_done, within=5)
    await worker.stop(1)
    assert ("stopped", [b"other-3"], []) == (work.ended, tasks.handled, tasks.given_up)
