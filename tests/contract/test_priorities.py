"""What is urgent overtakes what waits: from a job's priority to the order in which workers take its tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.streams import LANES, work_subject
from mesh.tasks import Report, handler
from mesh.worker import Worker, WorkerSpec
from pagemesh.results.v1.results_pb2_grpc import JobServiceStub
from pagemesh.work.v1.work_pb2 import Task
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import submission
from tests.support.broker import eventually
from tests.support.services import Caller, running


@pytest.fixture(scope="module")
async def jobs(
    common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path
) -> AsyncIterator[JobServiceStub]:
    """The running service without workers."""
    listen, url = f"unix:{server_directory}/priorities.sock", SecretStr(fresh_database())
    async with running(serve, ResultsSettings(listen=listen, database_url=url, **common)) as channel:
        yield JobServiceStub(channel)


async def test_an_urgent_job_overtakes_a_backlog(jobs: Any, bus: Bus, ada: Caller) -> None:
    """Though it came last, its task is next, also to a worker that has fetched others already; lanes keep order."""
    taken: list[str] = []
    urgent = asyncio.Event()

    async def do(task: Task, report: Report) -> None:
        taken.append(task.document_id)
        await urgent.wait()
        await report.fail("corrupt_document", "Because.")

    async def give_up(payload: bytes, deliveries: int) -> None:
        raise AssertionError(f"given up after {deliveries} deliveries")

    async def submitted(priority: int) -> str:
        response = await ada.call(jobs.SubmitJob, submission(ada, priority=priority))
        return str(response.document.id)

    async def waiting(count: int) -> bool:
        infos = await bus.jetstream.stream_info("WORK", subjects_filter=work_subject("inspect", "*"))
        return sum((infos.state.subjects or {}).values()) == count

    low = []
    for _ in range(8):
        low.append(await submitted(1))
        await eventually(lambda: waiting(len(low)))
    worker = Worker(bus, WorkerSpec("inspect", handler(bus, "test", do, Cancellations()), give_up, 1, prefetch=2))
    await worker.start()
    await eventually(lambda: _are(taken, 1))
    normal, high = await submitted(5), await submitted(9)
    await eventually(lambda: _pending(bus, 5))
    urgent.set()
    await eventually(lambda: _are(taken, 10))
    await worker.stop(5)
    assert [low[0], high, normal, *low[1:]] == taken


async def _are(taken: list[str], count: int) -> bool:
    return len(taken) == count


async def _pending(bus: Bus, count: int) -> bool:
    """Whether so many tasks were delivered and are not done: each lane's share, and the one in hand."""
    infos = [await bus.jetstream.consumer_info("WORK", f"inspect-{lane}") for lane in LANES]
    return sum(info.num_ack_pending or 0 for info in infos) == count
