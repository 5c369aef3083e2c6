"""Lists of documents and jobs, in the order and with the filters that were asked for."""

from typing import Any

from pagemesh.results.v1 import job_pb2, results_pb2
from tests.contract.recording import Results, analysis_of, results, settings
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures


async def test_documents_are_listed_as_asked(results: Results, auth_service: Any) -> None:
    """Searched, sorted, filtered and in windows; what a search means is taken literally."""
    caller = await Caller.register(auth_service)
    names = ["b_1.pdf", "A%.pdf", "c.pdf", "b21.pdf"]
    for number, name in enumerate(names):
        await results.submit(caller, name, file_size=100 - number)

    async def listed(**asked: Any) -> tuple[list[str], int]:
        request = results_pb2.ListDocumentsRequest(**asked)
        answer = await caller.call(results.documents.ListDocuments, request)
        return [each.original_filename for each in answer.documents], answer.total

    assert (names[::-1], 4) == await listed()
    assert (names, 4) == await listed(ascending=True)
    assert (["A%.pdf", "b21.pdf", "b_1.pdf", "c.pdf"], 4) == await listed(
        sort=results_pb2.DOCUMENT_SORT_FILENAME, ascending=True
    )
    assert (names, 4) == await listed(sort=results_pb2.DOCUMENT_SORT_FILE_SIZE)
    assert (["b_1.pdf"], 1) == await listed(search="B_1")
    assert (["A%.pdf"], 1) == await listed(search="%")
    assert ([], 0) == await listed(search="\\")
    assert (["b21.pdf", "c.pdf"], 4) == await listed(page=1, per_page=2)
    assert ([], 4) == await listed(page=3, per_page=2)
    assert ([], 0) == await listed(state=job_pb2.DOCUMENT_STATE_COMPLETED)


async def test_jobs_are_listed_as_asked(results: Results, auth_service: Any) -> None:
    """By state, type and document; newest first."""
    caller = await Caller.register(auth_service)
    document, job = await results.read(caller)
    await results.ended(caller, job.id)
    other, pending = await results.submit(caller)
    analysis = (await caller.call(results.jobs.SubmitAnalysis, analysis_of(document))).job

    async def listed(**asked: Any) -> list[str]:
        answer = await caller.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(**asked))
        assert answer.total == len(answer.jobs)
        return [each.id for each in answer.jobs]

    assert [analysis.id, pending.id, job.id] == await listed()
    assert [job.id] == await listed(state=job_pb2.JOB_STATE_COMPLETED)
    assert [analysis.id] == await listed(type=job_pb2.JOB_TYPE_ANALYSIS)
    assert [pending.id] == await listed(document_id=other.id)
    request = results_pb2.GetDocumentRequest(document_id=document.id)
    answer = await caller.call(results.documents.GetDocument, request)
    assert [job.id, analysis.id] == [each.id for each in answer.jobs]
