"""Documents of text tasks: read and analysed like all others, and for nobody but services to see."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesh import client
from mesh.errors import InvalidArgument, NotFound
from pagemesh.auth.v1.auth_pb2 import IssueServiceTokenRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from pagemesh.results.v1 import job_pb2, results_pb2
from services.auth.settings import AuthSettings
from tests.contract.recording import SUMMARY, Results, found, inspected, results, settings, submission
from tests.support.services import SECRET, Caller

__all__ = ["results", "settings"]  # fixtures

TASK: dict[str, Any] = {"job_type": job_pb2.JOB_TYPE_TEXT_TASK, "config": job_pb2.JobConfig(analysis=SUMMARY)}


@pytest.fixture
async def analyst(auth_service: AuthSettings, ada: Caller) -> Caller:
    """The analysis service, in ada's organization."""
    request = IssueServiceTokenRequest(
        service="analysis", secret=SECRET, organization_id=ada.organization_id, scopes=["documents.read"]
    )
    channel = client.connect(auth_service.listen, auth_service)
    answer = await client.call(TokenServiceStub(channel).IssueServiceToken, request)
    await channel.close()
    return Caller(answer.access_token, "", ada.organization_id)


async def _finish(results: Results, document_id: str, text: str) -> None:
    inspect = await results.hands.next(document_id, "inspect")
    await inspect.finish(inspected([False], await results.outcomes(1, text=text)))
    await (await results.hands.next(document_id, "analyze")).finish(found())


async def test_a_text_task_is_read_and_analysed_as_one_job(results: Results, ada: Caller, analyst: Caller) -> None:
    """The analyst can read its pages."""
    document, job = await results.submit(ada, **TASK)
    assert (True, job_pb2.JOB_TYPE_TEXT_TASK) == (document.hidden, job.type)
    await _finish(results, document.id, "Hidden words.")
    ended = await results.ended(ada, job.id)
    assert (job_pb2.JOB_STATE_COMPLETED, True) == (ended.state, bool(ended.result.analysis_id))
    stream = results_pb2.StreamPagesRequest(document_id=document.id)
    pages = await analyst.stream(results.documents.StreamPages, stream)
    assert ["Hidden words."] == [one.page.text for one in pages]
    listed = await ada.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(type=job_pb2.JOB_TYPE_TEXT_TASK))
    assert job.id in [one.id for one in listed.jobs]


async def test_nobody_sees_or_reaches_it(results: Results, ada: Caller) -> None:
    """Not in lists, not by its words, not by its id."""
    document, job = await results.submit(ada, "hidden-name.pdf", **TASK)
    await _finish(results, document.id, "Xylophone words.")
    await results.ended(ada, job.id)
    for request in (
        results_pb2.ListDocumentsRequest(search="hidden-name"),
        results_pb2.ListDocumentsRequest(search="xylophone", search_in=results_pb2.SEARCH_IN_CONTENT),
    ):
        answer = await ada.call(results.documents.ListDocuments, request)
        assert (0, []) == (answer.total, list(answer.documents))
    by_id: list[tuple[Callable[..., Awaitable[Any]], Any]] = [
        (results.documents.GetDocument, results_pb2.GetDocumentRequest(document_id=document.id)),
        (results.documents.ListPages, results_pb2.ListPagesRequest(document_id=document.id)),
        (results.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=document.id)),
        (results.documents.DeleteDocument, results_pb2.DeleteDocumentRequest(document_id=document.id)),
        (results.jobs.SubmitAnalysis, results_pb2.SubmitAnalysisRequest(document_id=document.id, job_id=job.id)),
    ]
    for method, request in by_id:
        with pytest.raises(NotFound):
            await ada.call(method, request)
    with pytest.raises(NotFound):
        await ada.stream(results.documents.StreamPages, results_pb2.StreamPagesRequest(document_id=document.id))
    assert job_pb2.JOB_STATE_COMPLETED == (await results.job(ada, job.id)).state


async def test_a_repeat_answers_the_first(results: Results, ada: Caller) -> None:
    """Hidden or not."""
    request = submission(ada, **TASK)
    first = await ada.call(results.jobs.SubmitJob, request)
    again = await ada.call(results.jobs.SubmitJob, request)
    assert (first.document.id, first.job.id) == (again.document.id, again.job.id)
    await (await results.hands.next(first.document.id, "inspect")).fail("corrupt_document")


async def test_an_analysis_reads_no_document(results: Results, ada: Caller) -> None:
    """So it is not submitted with one."""
    with pytest.raises(InvalidArgument):
        await results.submit(ada, job_type=job_pb2.JOB_TYPE_ANALYSIS)
