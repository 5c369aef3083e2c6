"""What the results service refuses: what is another's, what is malformed, and what nobody may choose."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from mesh.errors import InvalidArgument, NotFound, PagemeshError
from pagemesh.results.v1 import results_pb2
from tests.contract.recording import NOBODYS, Results, analysis_of, calls_about, found, results, settings, submission
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures


async def test_an_original_of_another_organization_is_refused(results: Results, ada: Caller, bob: Caller) -> None:
    """Nor does a key lead out of the store."""
    for key in (f"originals/{bob.organization_id}/safe.pdf", "/etc/passwd", "originals/../x"):
        request = submission(ada)
        request.document.storage_key = key
        with pytest.raises(InvalidArgument):
            await ada.call(results.jobs.SubmitJob, request)


async def test_nobody_learns_of_an_id_by_taking_it(results: Results, ada: Caller, bob: Caller) -> None:
    """An analysis under the job id of another organization is a job like any other."""
    document, reading = await results.read(ada)
    ended = await results.ended(ada, reading.id)
    mine, job = await results.read(bob)
    await results.ended(bob, job.id)
    made = (await bob.call(results.jobs.SubmitAnalysis, analysis_of(mine, job_id=reading.id))).job
    assert (mine.id, "analyzing") == (made.document_id, made.stage)
    assert (ended, True) == (await results.job(ada, reading.id), results.hands.idle(document.id))
    await (await results.hands.next(mine.id, "analyze")).finish(found())


async def refusals(calls: list[Callable[[Caller], Awaitable[Any]]], caller: Caller) -> list[tuple[Any, ...]]:
    """How each call is refused."""
    told = []
    for call in calls:
        with pytest.raises(PagemeshError) as caught:
            await call(caller)
        told.append((type(caught.value), caught.value.reason, caught.value.message, caught.value.details))
    return told


async def test_what_is_anothers_does_not_exist(results: Results, ada: Caller, bob: Caller) -> None:
    """Another organization's ids are answered like unknown ones, word for word, and nothing happens to them."""
    document, job = await results.read(ada)
    await results.ended(ada, job.id)
    foreign = await refusals(calls_about(results, document.id, job.id), bob)
    assert foreign == await refusals(calls_about(results, NOBODYS, NOBODYS), bob)
    assert {NotFound} == {kind for kind, *_ in foreign}
    listed = await bob.call(results.documents.ListDocuments, results_pb2.ListDocumentsRequest(per_page=100))
    jobs = await bob.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(per_page=100))
    assert document.id not in {each.id for each in listed.documents}
    assert job.id not in {each.id for each in jobs.jobs}
    by_document = results_pb2.ListJobsRequest(document_id=document.id)
    assert 0 == (await bob.call(results.jobs.ListJobs, by_document)).total
    assert document.id == (await results.document(ada, document.id)).id


@pytest.mark.parametrize("garbage", ["", "garbage", "'; DROP TABLE jobs; --", "\0", "é" * 100])
async def test_ids_that_are_none_are_invalid(results: Results, ada: Caller, garbage: str) -> None:
    """Each call says which field; none is a defect."""
    told = await refusals(calls_about(results, garbage, garbage), ada)
    assert {(InvalidArgument, "INVALID_ARGUMENT")} == {(kind, reason) for kind, reason, *_ in told}
    assert {"job_id", "document_id"} == {details["field"] for *_, details in told}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"job_id": "garbage"}, "job_id"),
        ({"priority": -1}, "priority"),
        ({"priority": 10}, "priority"),
    ],
)
async def test_malformed_submissions_are_invalid(
    results: Results, ada: Caller, change: dict[str, Any], field: str
) -> None:
    """Nothing is recorded of them."""
    request = submission(ada, **change)
    with pytest.raises(InvalidArgument) as caught:
        await ada.call(results.jobs.SubmitJob, request)
    assert field == caught.value.details["field"]
    with pytest.raises(NotFound):
        await results.document(ada, request.document.id)


@pytest.mark.parametrize("window", [{"page": -1}, {"per_page": 101}, {"per_page": -1}])
async def test_windows_have_bounds(results: Results, ada: Caller, window: dict[str, Any]) -> None:
    """For every list."""
    document, _ = await results.submit(ada)
    calls: list[tuple[Any, Message]] = [
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(**window)),
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(**window)),
        (results.documents.ListPages, results_pb2.ListPagesRequest(document_id=document.id, **window)),
    ]
    for method, request in calls:
        with pytest.raises(InvalidArgument):
            await ada.call(method, request)


async def test_unknown_choices_are_invalid(results: Results, ada: Caller) -> None:
    """Numbers that the enumerations do not have, from a newer caller for one."""
    calls: list[tuple[Any, Message]] = [
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(state=99)),  # type: ignore[arg-type]  # no such state
        (results.jobs.ListJobs, results_pb2.ListJobsRequest(type=99)),  # type: ignore[arg-type]  # no such type
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(state=99)),  # type: ignore[arg-type]  # likewise
        (results.documents.ListDocuments, results_pb2.ListDocumentsRequest(sort=99)),  # type: ignore[arg-type]  # likewise
    ]
    for method, request in calls:
        with pytest.raises(InvalidArgument):
            await ada.call(method, request)
