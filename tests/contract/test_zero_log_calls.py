"""Callbacks of zero-log work: from memory alone, signed, tried again while the work is kept, whoever dies meanwhile."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from mesh.bus import Bus
from mesh.errors import InvalidArgument
from mesh.streams import WORK_EPHEMERAL, ephemeral_work_subject
from pagemesh.results.v1 import webhooks_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.job_control_pb2 import CancelJobRequest
from pagemesh.results.v1.job_pb2 import Document, Job, JobConfig, JobType
from pagemesh.results.v1.results_pb2 import SubmitAnalysisRequest
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceStub
from pagemesh.work.v1.work_pb2 import DeliverTask, Task
from tests.contract.zero_logging import Mesh, found, inspected, meshed, outcome, submission
from tests.support.broker import eventually
from tests.support.receiver import HANG, RESET, Receiver, Say, receiving
from tests.support.services import Caller

SETTINGS: dict[str, Any] = {
    "webhook_secret": "known to results alone",
    "webhook_pauses": "0.05 0.1",
    "webhook_give_up_seconds": 60,
    "webhook_attempt_seconds": 0.5,
    "allowed_private_networks": "127.0.0.1",
    "public_url": "https://pagemesh.example/",
}


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], str]) -> str:
    """The service's database."""
    return fresh_database()


@pytest.fixture(scope="module")
async def mesh(common: dict[str, Any], database: str, server_directory: Path, bus: Bus) -> AsyncIterator[Mesh]:
    """The running service, quick to try again, with workers."""
    async with meshed(common, database, server_directory, bus, **SETTINGS) as mesh:
        yield mesh


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Where calls go."""
    async with receiving() as receiver:
        yield receiver


async def submit(mesh: Mesh, caller: Caller, url: str, **more: Any) -> tuple[Document, Job]:
    """A new document whose job calls back."""
    return await mesh.submit(caller, config=JobConfig(callback_url=url), **more)


async def read(mesh: Mesh, document_id: str) -> None:
    """Has the document read."""
    held = await mesh.hands.next(document_id, "inspect")
    await held.finish(inspected([False], await outcome(mesh, held, 1)))


async def verified(mesh: Mesh, caller: Caller, hit: Any) -> dict[str, Any]:
    """What came, if its signature is good."""
    stub = WebhookServiceStub(mesh.channel)
    answer = await caller.call(stub.GetWebhookSecret, webhooks_pb2.GetWebhookSecretRequest())
    event: dict[str, Any] = Webhook(answer.secret.secret).verify(hit.body, hit.headers)
    return event


async def quiet(bus: Bus) -> None:
    """Waits until nothing waits to be done."""

    async def is_quiet() -> bool:
        return await bus.depth(WORK_EPHEMERAL) == 0

    await eventually(is_quiet)


async def test_an_end_is_told_and_no_table_knows_whom(
    mesh: Mesh, ada: Caller, bus: Bus, database: str, receiver: Receiver
) -> None:
    """As for other jobs; the delivery log shows nothing of it."""
    path = f"/canary-{uuid.uuid4().hex}"
    document, job = await submit(mesh, ada, receiver.url + path)
    await read(mesh, document.id)
    [hit] = await receiver.got(path)
    event = await verified(mesh, ada, hit)
    api = "https://pagemesh.example/api/v1"
    assert ("job.completed", job.id, f"{api}/jobs/{job.id}", f"{api}/documents/{document.id}/pages") == (
        event["type"],
        *(event["data"][name] for name in ("job_id", "status_url", "result_url")),
    )
    await quiet(bus)
    stub = WebhookServiceStub(mesh.channel)
    listed = await ada.call(stub.ListWebhookDeliveries, webhooks_pb2.ListWebhookDeliveriesRequest())
    assert (0, False) == (listed.total, _knows(database, path))


def _knows(database: str, word: str) -> bool:
    """Whether a table of the service has the word anywhere."""
    with psycopg.connect(database.replace("+psycopg", ""), options="-c search_path=results") as connection:
        named = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'results'"
        tables = [row[0] for row in connection.execute(named)]
        searches = (f'SELECT count(*) FROM "{table}" t WHERE CAST(t AS text) LIKE %s' for table in tables)
        return any(connection.execute(search.encode(), [f"%{word}%"]).fetchone() != (0,) for search in searches)


async def test_failed_cancelled_analysed_and_tasks(mesh: Mesh, ada: Caller, receiver: Receiver) -> None:
    """Every end of every kind of job."""
    document, _ = await submit(mesh, ada, f"{receiver.url}/failed")
    await (await mesh.hands.next(document.id, "inspect")).fail("corrupt_document")
    [hit] = await receiver.got("/failed")
    assert "job.failed" == (await verified(mesh, ada, hit))["type"]

    _, job = await submit(mesh, ada, f"{receiver.url}/cancelled")
    await ada.call(mesh.jobs.CancelJob, CancelJobRequest(job_id=job.id))
    [hit] = await receiver.got("/cancelled")
    assert "job.cancelled" == (await verified(mesh, ada, hit))["type"]

    document, _ = await mesh.submit(ada)
    await read(mesh, document.id)
    asked = SubmitAnalysisRequest(
        document_id=document.id,
        job_id=str(uuid.uuid4()),
        config=AnalysisConfig(analysis_type="summary"),
        callback_url=f"{receiver.url}/analysis",
    )
    analysis = (await ada.call(mesh.jobs.SubmitAnalysis, asked)).job
    await (await mesh.hands.next(document.id, "analyze")).finish(found())
    [hit] = await receiver.got("/analysis")
    data = (await verified(mesh, ada, hit))["data"]
    assert ("analysis", analysis.id) == (data["job_type"], data["job_id"])

    document, task = await submit(mesh, ada, f"{receiver.url}/task", job_type=JobType.JOB_TYPE_TEXT_TASK)
    await read(mesh, document.id)
    [hit] = await receiver.got("/task")
    data = (await verified(mesh, ada, hit))["data"]
    assert (task.id, None, True) == (data["job_id"], data["document_id"], data["status_url"].endswith(task.id))


async def test_what_nobody_takes_is_tried_again(mesh: Mesh, ada: Caller, bus: Bus, receiver: Receiver) -> None:
    """The same message each time, after growing pauses; once it is taken, or refused for good, no more comes."""
    url = receiver.plan("/again", Say(500), RESET, HANG, Say(302, {"location": "/elsewhere"}))
    document, _ = await submit(mesh, ada, url)
    await read(mesh, document.id)
    hits = await receiver.got("/again", 5)
    assert (1, 1) == (len({hit.id for hit in hits}), len({hit.body for hit in hits}))
    document, _ = await submit(mesh, ada, receiver.plan("/gone", Say(410)))
    await read(mesh, document.id)
    await receiver.got("/gone")
    await quiet(bus)
    assert (5, 1, 0) == tuple(len(receiver.of(path)) for path in ("/again", "/gone", "/elsewhere"))


async def test_attempts_end_with_the_work(mesh: Mesh, ada: Caller, bus: Bus, receiver: Receiver) -> None:
    """By its time or by deletion: what is forgotten is told to nobody."""
    kept, _ = await submit(mesh, ada, receiver.plan("/deleted", *[Say(500)] * 1_000))
    await read(mesh, kept.id)
    await receiver.got("/deleted", 2)
    await mesh.delete(ada, kept.id)
    await quiet(bus)
    told = len(receiver.of("/deleted"))
    short, _ = await submit(mesh, ada, receiver.plan("/short", *[Say(500)] * 1_000), seconds=2)
    await read(mesh, short.id)
    await receiver.got("/short", 2)
    await quiet(bus)
    assert told == len(receiver.of("/deleted"))


async def test_a_call_waits_for_its_end_to_be_written(mesh: Mesh, ada: Caller, bus: Bus, receiver: Receiver) -> None:
    """One that was handed out before, by somebody who died or was too slow, says nothing of what is not so."""
    document, job = await submit(mesh, ada, f"{receiver.url}/early")
    held = await mesh.hands.next(document.id, "inspect")
    for end in ("completed 1", "cancelled 1"):
        call = str(uuid.uuid5(uuid.UUID(job.id), end))
        task = Task(id=call, job_id=job.id, organization_id=ada.organization_id, expires_at=document.expires_at)
        task.deliver.MergeFrom(DeliverTask(delivery_id=call, root_id=document.id))
        subject = ephemeral_work_subject("deliver", "normal", document.id)
        await bus.publish(subject, task.SerializeToString(), f"{call}.0")
    await asyncio.sleep(0.2)
    assert 0 == len(receiver.of("/early"))
    await held.finish(inspected([False], await outcome(mesh, held, 1)))
    [hit] = await receiver.got("/early")
    await quiet(bus)
    assert ("job.completed", 1) == ((await verified(mesh, ada, hit))["type"], len(receiver.of("/early")))


async def test_addresses_are_judged_at_acceptance(mesh: Mesh, ada: Caller) -> None:
    """As for other work."""
    for url in ("http://10.0.0.1/hook", "no url"):
        with pytest.raises(InvalidArgument):
            await ada.call(mesh.jobs.SubmitJob, submission(ada, config=JobConfig(callback_url=url)))
