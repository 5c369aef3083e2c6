"""Analyses, as the results service records them."""

import pytest

from mesh.errors import IllegalState
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.job_pb2 import JobConfig
from tests.contract.recording import SUMMARY, Results, analysis_of, found, inspected, results, settings, submission
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures


async def test_an_analysis_that_was_asked_for_follows_the_reading(results: Results, ada: Caller) -> None:
    """The job completes with it; what was found can be listed."""
    document, job = await results.read(ada, config=JobConfig(analysis=SUMMARY))
    held = await results.hands.next(document.id, "analyze")
    assert (job.id, "summary") == (held.task.job_id, held.task.analyze.config.analysis_type)
    assert job_pb2.DOCUMENT_STATE_COMPLETED == (await results.document(ada, document.id)).state
    await held.finish(found("Short."))
    ended = await results.ended(ada, job.id)
    request = results_pb2.ListAnalysesRequest(document_id=document.id, analysis_type="summary")
    [analysis] = (await ada.call(results.documents.ListAnalyses, request)).analyses
    assert (ended.result.analysis_id, job.id, "Short.", 0.5) == (
        analysis.id,
        analysis.job_id,
        analysis.result_data["summary"],
        analysis.confidence,
    )
    request.analysis_type = "tagging"
    assert [] == list((await ada.call(results.documents.ListAnalyses, request)).analyses)


async def test_an_analysis_that_fails_leaves_the_document_completed(results: Results, ada: Caller) -> None:
    """Its pages stay, and another analysis may follow."""
    document, job = await results.read(ada, config=JobConfig(analysis=SUMMARY))
    await (await results.hands.next(document.id, "analyze")).fail("provider_unavailable")
    ended = await results.ended(ada, job.id)
    assert ("provider_unavailable", job_pb2.DOCUMENT_STATE_COMPLETED) == (
        ended.error.code,
        (await results.document(ada, document.id)).state,
    )
    again = (await ada.call(results.jobs.SubmitAnalysis, analysis_of(document))).job
    await (await results.hands.next(document.id, "analyze")).finish(found())
    assert job_pb2.JOB_STATE_COMPLETED == (await results.ended(ada, again.id)).state


async def test_an_analysis_waits_for_a_document_that_is_being_read(results: Results, ada: Caller) -> None:
    """It begins when the document was read, and fails when it could not be."""
    documents = [(await results.submit(ada))[0] for _ in range(2)]
    waiting = [(await ada.call(results.jobs.SubmitAnalysis, analysis_of(each))).job for each in documents]
    assert ["waiting", "waiting"] == [job.stage for job in waiting]
    good, bad = [await results.hands.next(each.id, "inspect") for each in documents]
    await good.finish(inspected([False], await results.outcomes(1)))
    await bad.fail("corrupt_document")
    await (await results.hands.next(documents[0].id, "analyze")).finish(found())
    ended = [await results.ended(ada, job.id) for job in waiting]
    assert [job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED] == [job.state for job in ended]
    assert "nothing_to_analyze" == ended[1].error.code


async def test_a_repeated_analysis_is_the_same_one(results: Results, ada: Caller) -> None:
    """One job, one task; under the id of another job it is refused."""
    document, reading = await results.read(ada)
    await results.ended(ada, reading.id)
    request = analysis_of(document)
    jobs = [(await ada.call(results.jobs.SubmitAnalysis, request)).job for _ in range(2)]
    assert 1 == len({job.id for job in jobs})
    await (await results.hands.next(document.id, "analyze")).finish(found())
    await results.ended(ada, jobs[0].id)
    assert results.hands.idle(document.id)
    other = submission(ada)
    await ada.call(results.jobs.SubmitJob, other)
    with pytest.raises(IllegalState):
        await ada.call(results.jobs.SubmitAnalysis, analysis_of(document, job_id=other.job_id))
