"""Tasks at the gateway: bodies that are large, forms that say too much, and finished tasks that ask nobody."""

import json
from typing import Any

import httpx
import pytest

from pagemesh.results.v1 import analysis_pb2, job_pb2, text_tasks_pb2
from services.gateway.feed import Entry, Status
from services.gateway.surfaces.tasks import results as task_results
from services.gateway.surfaces.tasks.results import TaskBodies
from services.gateway.template_use import same
from tests.support.gateway_mesh import Mesh

TASKS = "/api/v1/tasks"
PDF = b"%PDF-1.7\n0123456789"


class Found:
    """Answers for the record, and counts how often it was asked."""

    def __init__(self, summary: str = "S") -> None:
        self.asked = 0
        self._summary = summary

    async def GetTextTaskResult(self, request: Any, **more: Any) -> text_tasks_pb2.GetTextTaskResultResponse:
        self.asked += 1
        found = analysis_pb2.Analysis(template="summary", template_version=1, model_version="m")
        found.result_data.update({"summary": self._summary})
        return text_tasks_pb2.GetTextTaskResultResponse(analysis=found)


def entry(number: int, state: "job_pb2.JobState.ValueType") -> Entry:
    """What the feed knows of a task."""
    job = job_pb2.Job(id=f"task-{number}", organization_id="org", type=job_pb2.JOB_TYPE_TEXT_TASK, state=state)
    return Entry(job, 0.0, lambda _: Status(b"", "", [], []))


def bodies(found: Found) -> TaskBodies:
    """Statuses, drawn from that record."""
    neighbours: Any = type("Neighbours", (), {"text_tasks": found})
    return TaskBodies(neighbours)


async def test_a_finished_task_is_asked_for_once() -> None:
    """And one that is not finished never."""
    found = Found()
    known = bodies(found)
    running = json.loads(await known.of(entry(1, job_pb2.JOB_STATE_RUNNING)))
    assert ("PROCESSING", False, 0) == (running["status"], "result" in running, found.asked)
    told = [await known.of(entry(1, job_pb2.JOB_STATE_COMPLETED)) for _ in range(3)]
    assert (1, 1) == (len(set(told)), found.asked)
    result = json.loads(told[0])["result"]
    assert ("S", "summary", 1) == (
        result["result_data"]["summary"],
        result["provenance"]["template"],
        result["provenance"]["template_version"],
    )


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes; the least recently used go first, and what is too large is asked for every time."""
    found = Found("x" * 1_000)
    known = bodies(found)
    size = len(await known.of(entry(0, job_pb2.JOB_STATE_COMPLETED)))
    monkeypatch.setattr(task_results, "_REMEMBERED_BYTES", 3 * size)
    for number in (1, 2, 0, 3):
        await known.of(entry(number, job_pb2.JOB_STATE_COMPLETED))
    assert 4 == found.asked
    await known.of(entry(0, job_pb2.JOB_STATE_COMPLETED))
    assert 4 == found.asked
    await known.of(entry(1, job_pb2.JOB_STATE_COMPLETED))
    assert 5 == found.asked
    monkeypatch.setattr(task_results, "_LARGEST_BYTES", 10)
    for _ in range(2):
        await known.of(entry(9, job_pb2.JOB_STATE_COMPLETED))
    assert 7 == found.asked


def test_a_repeat_is_known_by_what_is_told_of_its_template() -> None:
    """Jobs are told without the pieces."""
    asked = analysis_pb2.AnalysisConfig(analysis_type="custom")
    asked.template.CopyFrom(
        analysis_pb2.AnalysisTemplate(name="own", version=2, pieces=[analysis_pb2.TemplatePiece(said="x")])
    )
    told = analysis_pb2.AnalysisConfig(analysis_type="custom")
    told.template.CopyFrom(analysis_pb2.AnalysisTemplate(name="own", version=2))
    assert (True, 1) == (same(told, asked), len(asked.template.pieces))
    told.template.version = 3
    assert not same(told, asked)


@pytest.mark.parametrize("field", ["plain_text", "job_type", "text", "hidden", "unknown"])
@pytest.mark.parametrize("path", ["/api/v1/documents/upload", f"{TASKS}/file"])
async def test_forms_say_nothing_of_what_a_file_is(
    mesh: Mesh, client: httpx.AsyncClient, path: str, field: str
) -> None:
    """A file is told by its content."""
    answer = await client.post(path, files={"file": ("a.pdf", PDF)}, data={field: "1"})
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert [] == mesh.ingest.configs


@pytest.mark.parametrize(
    ("options", "field"), [("{", "options"), ("[]", "options"), ('{"num_tags": 0}', "options.num_tags")]
)
async def test_options_of_a_form_are_json(client: httpx.AsyncClient, options: str, field: str) -> None:
    """With the fields that a text's have."""
    answer = await client.post(f"{TASKS}/file", files={"file": ("a.pdf", PDF)}, data={"options": options})
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (TASKS, {"text": "x", "options": {"output_schema": {"maximum": 10**30}}}),
        ("/api/v1/templates", {"name": "a", "instructions": "x", "output_schema": {"maximum": 10**30}}),
    ],
)
async def test_numbers_that_nobody_can_hold(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    """In a schema they are told as wrong."""
    answer = await client.post(path, json=body)
    assert 422 == answer.status_code
    assert [True] == [name.endswith("output_schema") for name in answer.json()["details"]]


async def test_only_texts_may_be_large(client: httpx.AsyncClient) -> None:
    """Other bodies stay what they are; a text's is refused while it comes in."""
    headers = {"content-type": "application/json"}
    large = b'{"text": "' + b"x" * 2_000_000 + b'"}'
    assert 422 == (await client.post(TASKS, content=large, headers=headers)).status_code
    assert 413 == (await client.post("/api/v1/templates", content=large, headers=headers)).status_code
    read = 0

    async def endless() -> Any:
        nonlocal read
        for _ in range(1_000):
            read += 1
            yield b" " * (1 << 20)

    assert 413 == (await client.post(TASKS, content=endless(), headers=headers)).status_code
    assert read < 20


async def test_a_job_of_another_kind_is_no_task(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """It answers as nothing at all does."""
    uploaded = await client.post("/api/v1/documents/upload", files={"file": ("a.pdf", PDF)})
    job_id = uploaded.json()["job_id"]
    assert 200 == (await client.get(f"/api/v1/jobs/{job_id}")).status_code
    nothing = await client.get(f"{TASKS}/{mesh.ingest.configs[0].job_id}")
    for path in (f"{TASKS}/{job_id}", f"{TASKS}/{job_id}/events"):
        answer = await client.get(path)
        assert (404, nothing.content) == (answer.status_code, answer.content)
