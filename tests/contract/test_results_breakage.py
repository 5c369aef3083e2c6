"""The results service when facts repeat or are bad, and when replicas or the broker come and go: nothing is lost."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from pagemesh.ingest.v1.events_pb2 import PagesExtracted
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.job_pb2 import Document, JobConfig
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.work.v1.work_pb2 import Fact
from services.results import intake, outbox
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import (
    NOBODYS,
    SUMMARY,
    Results,
    all_taken_in,
    fact,
    found,
    inspected,
    results,
    settings,
)
from tests.support.servers import NatsServer
from tests.support.services import Caller, running

__all__ = ["results", "settings"]  # fixtures


async def test_repeated_facts_change_nothing(results: Results, ada: Caller) -> None:
    """Each fact three times under ids of their own: counts, text, tasks and analyses are those of one."""
    document, job = await results.submit(ada, config=JobConfig(analysis=SUMMARY))
    say = results.hands.say
    held = await results.hands.next(document.id, "inspect")
    for _ in range(3):
        await say(fact(held, inspected=inspected([False, True])))
    held.finished.set()
    extract, ocr = [await results.hands.next(document.id, kind) for kind in ("extract", "ocr")]
    for _ in range(3):
        await say(fact(extract, extracted=PagesExtracted(outcomes=await results.outcomes(1))))
        await say(fact(ocr, recognized=PageRecognized(outcome=(await results.outcomes(2, text="Other."))[0])))
        await say(fact(held, inspected=inspected([False, True], await results.outcomes(1, 2, text="Late."))))
    analyze = await results.hands.next(document.id, "analyze")
    for summary in ("first", "second", "third"):
        await say(fact(analyze, analyzed=found(summary)))
    for one in (extract, ocr, analyze):
        one.finished.set()
    ended = await results.ended(ada, job.id)
    assert (2, 0, 1, 1) == (ended.pages_done, ended.pages_failed, ended.pages_ocr, ended.attempts)
    assert len("The text of page 1.Other.") == ended.result.text_length
    await all_taken_in(results)
    assert (ended, True) == (await results.job(ada, job.id), results.hands.idle(document.id))
    request = results_pb2.ListAnalysesRequest(document_id=document.id)
    analyses = (await ada.call(results.documents.ListAnalyses, request)).analyses
    assert ["first"] == [each.result_data["summary"] for each in analyses]


async def test_a_bad_fact_harms_itself_alone(results: Results, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no fact, or about nothing, among good ones of the same batch: it ends among the dead."""
    monkeypatch.setattr(intake, "_HAND_BACK_SECONDS", 0.05)
    submitted = [await results.submit(ada) for _ in range(3)]
    held = [await results.hands.next(document.id, "inspect") for document, _ in submitted]
    await results.hands.bus.publish("facts.test", b"\xff\xff no fact", uuid.uuid4().hex)
    await results.hands.say(Fact(task_id="no uuid", job_id="no uuid", last=True))
    await results.hands.say(Fact(task_id=NOBODYS, job_id=NOBODYS, last=True, failed=Failure(code="x")))
    for one in held:
        await one.finish(inspected([False], await results.outcomes(1)))
    states = [(await results.ended(ada, job.id)).state for _, job in submitted]
    assert [job_pb2.JOB_STATE_COMPLETED] * 3 == states
    await all_taken_in(results)
    dead = await results.hands.bus.jetstream.stream_info("DEAD", subjects_filter="dead.fact")
    assert {"dead.fact": 2} == dead.state.subjects


async def test_replicas_share_the_work(results: Results, settings: ResultsSettings, ada: Caller) -> None:
    """Two on one database, facts repeated: every job ends once, with the counts of one."""
    other = settings.model_copy(update={"listen": settings.listen.replace("results", "replica")})
    async with running(serve, other) as channel:
        replica = Results(channel, results.hands, results.blobs)
        submitted = await asyncio.gather(*((results, replica)[number % 2].submit(ada) for number in range(20)))
        await asyncio.gather(*(_read_twice(results, document) for document, _ in submitted))
        ended = await asyncio.gather(*(replica.ended(ada, job.id) for _, job in submitted))
    expected = (job_pb2.JOB_STATE_COMPLETED, 3, 0, 3 * len("The text of page 1."), 1)
    assert [expected] * 20 == [
        (job.state, job.pages_done, job.pages_failed, job.result.text_length, job.attempts) for job in ended
    ]
    assert all(results.hands.idle(document.id) for document, _ in submitted)


async def _read_twice(results: Results, document: Document) -> None:
    held = await results.hands.next(document.id, "inspect")
    for _ in range(2):
        await results.hands.say(fact(held, inspected=inspected([True] * 3)))
    held.finished.set()
    for ocr in [await results.hands.next(document.id, "ocr") for _ in range(3)]:
        [outcome] = await results.outcomes(ocr.task.ocr.page)
        for _ in range(2):
            await results.hands.say(fact(ocr, recognized=PageRecognized(outcome=outcome)))
        ocr.finished.set()


async def test_a_task_lost_by_the_broker_is_handed_out_again(
    results: Results, ada: Caller, nats_server: NatsServer
) -> None:
    """A wiped store loses nothing: PostgreSQL alone is enough to finish."""
    submitted = [await results.submit(ada) for _ in range(3)]
    lost = [await results.hands.next(document.id, "inspect") for document, _ in submitted]
    await asyncio.sleep(2 * outbox._NOTE_SECONDS)  # else it counts as not yet published, and is put off for longer
    nats_server.wipe()
    for document, _ in submitted:
        held = await results.hands.next(document.id, "inspect")
        await held.finish(inspected([False], await results.outcomes(1)))
    ended = [await results.ended(ada, job.id) for _, job in submitted]
    assert [job_pb2.JOB_STATE_COMPLETED] * 3 == [job.state for job in ended]
    for one in lost:
        one.finished.set()


async def test_what_was_accepted_while_the_broker_was_away_is_done(
    results: Results, ada: Caller, nats_server: NatsServer
) -> None:
    """Accepting needs the database alone."""
    nats_server.kill()
    document, job = await results.submit(ada)
    nats_server.start()
    held = await results.hands.next(document.id, "inspect")
    await held.finish(inspected([False], await results.outcomes(1)))
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, job.id)).state


async def test_a_restart_loses_nothing(
    fresh_database: Callable[[], str], settings: ResultsSettings, results: Results, ada: Caller
) -> None:
    """Facts that came while no replica ran are taken in by the next."""
    fresh = {"database_url": SecretStr(fresh_database()), "listen": settings.listen.replace("results", "restart")}
    other = settings.model_copy(update=fresh)
    async with running(serve, other) as channel:
        document, job = await Results(channel, results.hands, results.blobs).submit(ada)
        held = await results.hands.next(document.id, "inspect")
    async with running(serve, other) as channel:
        again = Results(channel, results.hands, results.blobs)
        assert job_pb2.JOB_STATE_PENDING == (await again.job(ada, job.id)).state
        assert document == await again.document(ada, document.id)
    held.finished.set()
