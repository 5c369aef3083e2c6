"""Word of runs and of tasks: real database, broker and receiver."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook

from mesh import db
from mesh.errors import InvalidArgument
from pagemesh.results.v1 import job_control_pb2, job_pb2
from pagemesh.results.v1.runs_pb2 import RUN_STATE_COMPLETED, CancelRunRequest, SentRun
from services.results.store import Store
from services.results.store.database import SCHEMA
from tests.contract.recording import SUMMARY, found, inspected, submission
from tests.contract.test_arrivals import arrived
from tests.contract.test_runs import TAGS, URL, Runs
from tests.contract.test_webhooks import Hooks, hooks, settings
from tests.support.receiver import Hit
from tests.support.services import Caller

__all__ = ["hooks", "settings"]  # fixtures
API = "https://pagemesh.example/api/v1"


@pytest.fixture
def runs(hooks: Hooks, ada: Caller) -> Runs:
    """Ada's."""
    return Runs(hooks.results, ada)


def told(hit: Hit) -> tuple[str, dict[str, Any]]:
    """The type and the data of an event."""
    event = json.loads(hit.body)
    return event["type"], event["data"]


async def only(hooks: Hooks, path: str) -> Hit:
    """The one event that comes for a path, and none soon after."""
    (hit,) = await hooks.receiver.got(path)
    await asyncio.sleep(0.3)
    assert [hit] == hooks.receiver.of(path)
    return hit


async def test_what_was_read_on_arrival_is_told_of_at_once(hooks: Hooks, runs: Runs, ada: Caller) -> None:
    """The job, and the run that is done with it; the analyses of another begin without waiting."""
    config = job_pb2.JobConfig(callback_url=hooks.receiver.url + "/arrived-job")
    read = SentRun(id=str(uuid.uuid4()), file="a.pdf", callback_url=hooks.receiver.url + "/arrived-run")
    analysed = SentRun(id=str(uuid.uuid4()), file="a.pdf", analyses=[TAGS])
    for run in (read, analysed):
        request = submission(ada, config=config if run is read else None, run=run)
        request.arrival.CopyFrom(arrived(request, inspected([False], await hooks.results.outcomes(1))))
        made = (await ada.call(hooks.results.jobs.SubmitJob, request)).run
    assert "job.completed" == told(await only(hooks, "/arrived-job"))[0]
    assert "run.completed" == told(await only(hooks, "/arrived-run"))[0]
    await (await hooks.results.hands.next(made.document_id, "analyze")).finish(found())
    assert RUN_STATE_COMPLETED == (await runs.ended(made)).state


async def test_a_run_is_told_of_with_its_last_job(hooks: Hooks, runs: Runs, ada: Caller) -> None:
    """Once, though its analyses end at the same time; signed, with ids and URLs alone; a repeat tells nothing."""
    read = await runs.sent()
    await runs.read(read)
    await runs.ended(read)
    fields = {"id": str(uuid.uuid4()), "document_id": read.document_id, "callback_url": hooks.receiver.url + "/run"}
    run = await runs.submit(analyses=[SUMMARY, TAGS], **fields)
    held = [await hooks.results.hands.next(read.document_id, "analyze") for _ in range(2)]
    assert [] == hooks.receiver.of("/run")
    await asyncio.gather(*(one.finish(found()) for one in held))
    hit = await only(hooks, "/run")
    Webhook((await hooks.secret(ada)).secret).verify(hit.body, hit.headers)
    assert told(hit) == (
        "run.completed",
        {
            "run_id": run.id,
            "document_id": run.document_id,
            "status": "completed",
            "status_url": f"{API}/runs/{run.id}",
            "result_url": f"{API}/runs/{run.id}",
        },
    )
    await runs.submit(analyses=[SUMMARY, TAGS], **fields)
    assert hit == await only(hooks, "/run")
    (delivery,) = [one for one in await hooks.deliveries(ada) if one.run_id == run.id]
    assert (hit.id, "", "run.completed") == (delivery.id, delivery.job_id, delivery.event)


async def test_nothing_left_to_do_is_told_at_once(hooks: Hooks, runs: Runs) -> None:
    """As for a run on a document that was read, with no analyses; once, with a repeat too."""
    read = await runs.sent()
    await runs.read(read)
    await runs.ended(read)
    fields = {"id": str(uuid.uuid4()), "document_id": read.document_id, "callback_url": hooks.receiver.url + "/none"}
    for _ in range(2):
        run = await runs.submit(**fields)
    kind, data = told(await only(hooks, "/none"))
    assert ("run.completed", run.id) == (kind, data["run_id"])


async def test_failures_retries_and_ends_by_a_person(hooks: Hooks, runs: Runs, ada: Caller) -> None:
    """Each end is told; a job that is tried again makes another end of its run."""
    run = await runs.submit(url=URL, callback_url=hooks.receiver.url + "/failed")
    await (await runs.results.hands.next(run.document_id, "fetch")).fail("fetch_failed")
    kind, data = told(await only(hooks, "/failed"))
    assert ("run.failed", run.id, None) == (kind, data["run_id"], data["result_url"])
    await ada.call(hooks.results.jobs.RetryJob, job_control_pb2.RetryJobRequest(job_id=run.jobs[0].id))
    await (await runs.results.hands.next(run.document_id, "fetch")).fail("fetch_failed")
    first, second = await hooks.receiver.got("/failed", 2)
    assert (told(first), True) == (told(second), first.id != second.id)

    run = await runs.submit(url=URL, analyses=[SUMMARY], callback_url=hooks.receiver.url + "/cancelled")
    await ada.call(runs.stub.CancelRun, CancelRunRequest(run_id=run.id))
    assert "run.cancelled" == told(await only(hooks, "/cancelled"))[0]


async def test_a_reading_of_two_runs_ends_both(hooks: Hooks, runs: Runs) -> None:
    """Also that which was asked for later, while the document was being read."""
    first = await runs.submit(url=URL, callback_url=hooks.receiver.url + "/first")
    second = await runs.submit(document_id=first.document_id, callback_url=hooks.receiver.url + "/second")
    await (await runs.results.hands.next(first.document_id, "fetch")).fail("fetch_failed")
    for run, path in ((first, "/first"), (second, "/second")):
        assert run.id == told(await only(hooks, path))[1]["run_id"]


async def test_a_text_is_no_document(hooks: Hooks, runs: Runs, ada: Caller) -> None:
    """Neither a run's nor a task's is named; a task has its status and its result at one place."""
    run = await runs.sent(text="Nobody is told this.", callback_url=hooks.receiver.url + "/text")
    await runs.read(run)
    hit = await only(hooks, "/text")
    assert (None, False) == (told(hit)[1]["document_id"], b"told this" in hit.body)

    config = job_pb2.JobConfig(analysis=SUMMARY, callback_url=hooks.receiver.url + "/task")
    document, job = await hooks.results.submit(ada, job_type=job_pb2.JOB_TYPE_TEXT_TASK, config=config)
    await hooks.finish(job)
    await (await hooks.results.hands.next(document.id, "analyze")).finish(found())
    hit = await only(hooks, "/task")
    Webhook((await hooks.secret(ada)).secret).verify(hit.body, hit.headers)
    kind, data = told(hit)
    url = f"{API}/tasks/{job.id}"
    assert ("job.completed", job.id, None, url, url) == (
        kind,
        *(data[name] for name in ("job_id", "document_id", "status_url", "result_url")),
    )


async def test_addresses_of_nobody_are_refused(hooks: Hooks, runs: Runs) -> None:
    """As with jobs."""
    with pytest.raises(InvalidArgument) as caught:
        await runs.submit(url=URL, callback_url="http://10.0.0.1/")
    assert "callback_url" == caught.value.details["field"]


async def test_who_ends_the_last_job_sees_that_it_is_the_last(hooks: Hooks, runs: Runs) -> None:
    """Whoever ends jobs of a run waits for others who do: of two, the second sees what both have ended."""
    store = Store(db.connect(hooks.settings.database_url.get_secret_value(), SCHEMA, 2))
    told = await runs.submit(url=URL, callback_url=hooks.receiver.url + "/locked")
    untold = await runs.submit(url=URL)
    ids = [uuid.UUID(run.jobs[0].id) for run in (told, untold)]
    async with store.reading() as tables:
        assert [] == await tables.runs.ended_with(ids)
    for run in (told, untold):
        await (await runs.results.hands.next(run.document_id, "fetch")).fail("fetch_failed")
        await runs.ended(run)

    async def ended() -> list[str]:
        async with store.transaction() as tables:
            return [str(one.run.id) for one in await tables.runs.ended_with(ids)]

    async with store.transaction() as tables:
        assert [told.id] == [str(one.run.id) for one in await tables.runs.ended_with(ids)]
        second = asyncio.create_task(ended())  # has to wait for what the first has ended
        assert not (await asyncio.wait({second}, timeout=0.2))[0]
    assert [told.id] == await second
    await store.close()
