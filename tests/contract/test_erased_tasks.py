"""Receipts name what their callers know: tasks, and runs on texts, whose documents nobody has heard of."""

import uuid
from typing import Any

import pytest

from pagemesh.results.v1 import erasures_pb2, job_pb2, runs_pb2
from pagemesh.results.v1.text_tasks_pb2 import DeleteTextTaskRequest
from pagemesh.results.v1.text_tasks_pb2_grpc import TextTaskServiceStub
from services.auth.settings import AuthSettings
from tests.contract.erasing import Erasing, checked, reason
from tests.contract.test_erasure import caller, results, settings
from tests.support.services import Caller

__all__ = ["caller", "results", "settings"]  # fixtures

SENT: dict[str, dict[str, Any]] = {
    "task": {"job_type": job_pb2.JOB_TYPE_TEXT_TASK},
    "run": {"run": runs_pb2.SentRun(id=str(uuid.uuid4()), text="A text.")},
}


async def cancelled(results: Erasing, caller: Caller, task_id: str) -> None:
    """Ends a task."""
    await delete(results, caller, task_id)
    assert job_pb2.JOB_STATE_CANCELLED == (await results.job(caller, task_id)).state


async def delete(results: Erasing, caller: Caller, task_id: str) -> erasures_pb2.Erasure:
    """Cancels a task, or erases it."""
    request = DeleteTextTaskRequest(task_id=task_id)
    answer = await caller.call(TextTaskServiceStub(results.channel).DeleteTextTask, request)
    erasure: erasures_pb2.Erasure = answer.erasure
    return erasure


async def named(results: Erasing, caller: Caller, auth: AuthSettings, thing_id: str) -> tuple[str, str, str, str]:
    """Kind and id of the organization's only erasure, found by an id and in the list; and those of its receipt."""
    erasure = await results.erasure(caller, thing_id)
    listed = await caller.call(results.erasures.ListErasures, erasures_pb2.ListErasuresRequest())
    assert [erasure] == list(listed.erasures)
    claims = await checked(erasure.receipt, auth)
    return erasure.kind, erasure.id, claims["kind"], claims["sub"]


async def test_an_erased_task_is_named(
    results: Erasing, caller: Caller, bob: Caller, auth_service: AuthSettings
) -> None:
    """By the answer, its receipt and the lists, for its organization alone; nothing of it is left."""
    document, job = await results.submit_stored(caller, **SENT["task"])
    await cancelled(results, caller, job.id)
    erasure = await delete(results, caller, job.id)
    assert ("task", job.id) * 2 == await named(results, caller, auth_service, job.id)
    assert erasure == await results.erasure(caller, job.id)
    assert ([], 0) == (await results.left(document), results.record.rows_of(document.id))
    assert f"sha256:{document.sha256}" == (await checked(erasure.receipt, auth_service))["digest"]
    assert "not_found" == await reason(results.erasure(bob, job.id))


@pytest.mark.parametrize("kind", ["task", "run"])
async def test_what_expires_is_named(results: Erasing, caller: Caller, auth_service: AuthSettings, kind: str) -> None:
    """The sweep names tasks by their ids and a run on a text by its own, whichever of its jobs it is asked by."""
    document, job = await results.submit_stored(caller, **SENT[kind])
    ((run_id,),) = results.record.run("SELECT id FROM runs WHERE document_id = %s", document.id) or [("none",)]
    name = job.id if kind == "task" else str(run_id)
    results.record.age(document.id, 91)
    await results.sweep()
    assert (kind, name) * 2 == await named(results, caller, auth_service, name)
    assert ("expired", name) == (await reason(results.job(caller, job.id)), (await results.erasure(caller, job.id)).id)
    assert ([], 0) == (await results.left(document), results.record.rows_of(document.id))


async def test_a_document_with_a_run_is_a_document(
    results: Erasing, caller: Caller, auth_service: AuthSettings
) -> None:
    """Its caller knows it, and may have made more runs on it."""
    document, _ = await results.submit_stored(caller, run=runs_pb2.SentRun(id=str(uuid.uuid4()), file="a.pdf"))
    await results.delete(caller, document.id, erase=True)
    assert ("document", document.id) * 2 == await named(results, caller, auth_service, document.id)
