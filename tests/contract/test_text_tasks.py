"""The end of text tasks over gRPC: their results, cancelling, erasing, and nobody else's hands on them."""

import uuid
from typing import Any

import pytest

from mesh.errors import NotFound
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1 import text_tasks_pb2 as pb
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, AnalysisTemplate, TemplatePiece
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceStub
from tests.contract.recording import SUMMARY, Results, found, inspected, results, settings
from tests.support.services import Caller

__all__ = ["results", "settings"]  # fixtures

PINNED = AnalysisConfig(
    analysis_type="custom",
    template=AnalysisTemplate(
        name="mine", version=7, pieces=[TemplatePiece(said="Secret "), TemplatePiece(document=True)]
    ),
)


@pytest.fixture
def tasks(results: Results) -> Any:
    """A client."""
    return TextTaskServiceStub(results.channel)


async def start(results: Results, caller: Caller, config: AnalysisConfig = SUMMARY) -> tuple[str, str]:
    """A new task; its id and its document's."""
    document, job = await results.submit(
        caller, job_type=job_pb2.JOB_TYPE_TEXT_TASK, config=job_pb2.JobConfig(analysis=config)
    )
    return job.id, document.id


async def finish(results: Results, caller: Caller, task_id: str, document_id: str) -> job_pb2.Job:
    """The task, completed."""
    inspect = await results.hands.next(document_id, "inspect")
    await inspect.finish(inspected([False], await results.outcomes(1)))
    await (await results.hands.next(document_id, "analyze")).finish(found("Found."))
    return await results.ended(caller, task_id)


async def test_a_result_names_its_template_and_engines(results: Results, tasks: Any, ada: Caller) -> None:
    """The worker is told all of the template, whoever follows the job only which it is."""
    task_id, document_id = await start(results, ada, PINNED)
    request = pb.GetTextTaskResultRequest(task_id=task_id)
    with pytest.raises(NotFound):
        await ada.call(tasks.GetTextTaskResult, request)
    inspect = await results.hands.next(document_id, "inspect")
    await inspect.finish(inspected([False], await results.outcomes(1)))
    analyze = await results.hands.next(document_id, "analyze")
    assert PINNED == analyze.task.analyze.config
    await analyze.finish(found("Found."))
    ended = await results.ended(ada, task_id)
    shown = ended.config.analysis.template
    assert ("mine", 7, 0) == (shown.name, shown.version, len(shown.pieces))
    analysis = (await ada.call(tasks.GetTextTaskResult, request)).analysis
    assert ("mine", 7, "test 1", "Found.") == (
        analysis.template,
        analysis.template_version,
        analysis.engine,
        analysis.result_data["summary"],
    )


async def test_a_running_task_is_cancelled_and_then_erased(results: Results, tasks: Any, ada: Caller) -> None:
    """What comes of its work afterwards changes nothing."""
    task_id, document_id = await start(results, ada)
    held = await results.hands.next(document_id, "inspect")
    request = pb.DeleteTextTaskRequest(task_id=task_id)
    cancelled = (await ada.call(tasks.DeleteTextTask, request)).cancelled
    assert (task_id, job_pb2.JOB_STATE_CANCELLED) == (cancelled.id, cancelled.state)
    await held.finish(inspected([False], await results.outcomes(1)))
    assert job_pb2.JOB_STATE_CANCELLED == (await results.job(ada, task_id)).state
    assert not (await ada.call(tasks.DeleteTextTask, request)).HasField("cancelled")
    for call in (results.job(ada, task_id), ada.call(tasks.DeleteTextTask, request)):
        with pytest.raises(NotFound):
            await call


async def test_an_ended_task_is_erased(results: Results, tasks: Any, ada: Caller) -> None:
    """With its result."""
    task_id, document_id = await start(results, ada)
    await finish(results, ada, task_id, document_id)
    answer = await ada.call(tasks.DeleteTextTask, pb.DeleteTextTaskRequest(task_id=task_id))
    assert (False, "task", task_id) == (answer.HasField("cancelled"), answer.erasure.kind, answer.erasure.id)
    with pytest.raises(NotFound):
        await ada.call(tasks.GetTextTaskResult, pb.GetTextTaskResultRequest(task_id=task_id))


async def test_nothing_else_is_a_task(results: Results, tasks: Any, ada: Caller, bob: Caller) -> None:
    """Another organization's task, a job of another kind, an id of nothing."""
    theirs, document_id = await start(results, bob)
    await finish(results, bob, theirs, document_id)
    _, job = await results.read(ada, config=job_pb2.JobConfig(analysis=SUMMARY))
    await (await results.hands.next(job.document_id, "analyze")).finish(found())
    await results.ended(ada, job.id)
    for task_id in (theirs, job.id, str(uuid.uuid4())):
        with pytest.raises(NotFound):
            await ada.call(tasks.GetTextTaskResult, pb.GetTextTaskResultRequest(task_id=task_id))
        with pytest.raises(NotFound):
            await ada.call(tasks.DeleteTextTask, pb.DeleteTextTaskRequest(task_id=task_id))
    listed = await ada.call(
        results.documents.ListAnalyses, results_pb2.ListAnalysesRequest(document_id=job.document_id)
    )
    assert ("", 0, "test 1") == (
        listed.analyses[0].template,
        listed.analyses[0].template_version,
        listed.analyses[0].engine,
    )
    assert (
        "Found."
        == (await bob.call(tasks.GetTextTaskResult, pb.GetTextTaskResultRequest(task_id=theirs))).analysis.result_data[
            "summary"
        ]
    )
