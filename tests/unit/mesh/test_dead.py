"""Copies of what was given up: found by their job, and without secrets."""

import uuid

import pytest
from google.protobuf.message import Message

from mesh import dead
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PageInfo
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.results_pb2 import SubmitJobRequest
from pagemesh.work.v1.work_pb2 import ExtractTask, Fact, InspectTask, OcrTask, Source, Task

JOB = str(uuid.uuid4())
SOURCE = Source(storage_key="originals/o/d.pdf", password="open sesame", size=7)


@pytest.mark.parametrize(
    "task",
    [
        Task(inspect=InspectTask(source=SOURCE)),
        Task(extract=ExtractTask(source=SOURCE, pages=[1, 2])),
        Task(ocr=OcrTask(source=SOURCE, page=3, languages="eng")),
    ],
    ids=lambda task: task.WhichOneof("work"),
)
def test_a_task_is_kept_without_its_password(task: Task) -> None:
    """Everything else stays, and the subject names the job."""
    task.id, task.job_id, task.attempt = "t", JOB, 2
    subject, kept = dead.copy("inspect", task.SerializeToString())
    assert (f"dead.inspect.{JOB}", False) == (subject, b"sesame" in kept)
    kind = task.WhichOneof("work") or ""
    getattr(task, kind).source.password = ""
    assert task == Task.FromString(kept)


def test_a_fact_is_kept_whole() -> None:
    """It has no secrets, but lists and maps of what was read."""
    news = DocumentInspected(pages=[PageInfo(width=1)], metadata={"title": "T"})
    fact = Fact(job_id=JOB, inspected=news)
    assert (f"dead.fact.{JOB}", fact.SerializeToString()) == dead.copy(dead.FACT, fact.SerializeToString())
    analyzed = Fact(job_id=JOB, analyzed=DocumentAnalyzed(outcome=AnalysisOutcome(model_version="m")))
    assert analyzed.SerializeToString() == dead.copy(dead.FACT, analyzed.SerializeToString())[1]


@pytest.mark.parametrize(
    "payload", [b"bad", b"", b"\xff\xff", Task(id="t", job_id="a.b.>").SerializeToString(), Task().SerializeToString()]
)
def test_what_belongs_to_no_job_is_kept_as_it_is(payload: bytes) -> None:
    """It must not be lost, nor choose its subject."""
    assert ("dead.ocr", payload) == dead.copy("ocr", payload)


@pytest.mark.parametrize("message", [JobConfig(password="x"), SubmitJobRequest(config=JobConfig(password="x"))])
def test_every_password_of_the_protos_is_marked(message: Message) -> None:
    """What is marked is cleared wherever it stands."""
    dead.redact(message)
    assert b"x" not in message.SerializeToString()


def test_the_subjects_about_a_job_are_those_of_its_copies() -> None:
    """One star stands for the kind."""
    subject, _ = dead.copy("ocr", Task(job_id=JOB).SerializeToString())
    assert subject == dead.about_job(JOB).replace("*", "ocr")
