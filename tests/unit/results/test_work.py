"""Tasks as messages."""

from dataclasses import replace
from uuid import uuid4

import pytest

from pagemesh.results.v1.job_pb2 import ReadMode
from pagemesh.work.v1.work_pb2 import Source, Task
from services.results import work
from services.results.records import JobRecord, NewTask
from tests.unit.results.jobs import ID, analysis_job, document, reading_job


def sent(wanted: NewTask, job: JobRecord | None = None, attempt: int = 1) -> Task:
    """The task as a worker parses it."""
    [record] = work.assignments(job or reading_job(), document(), [wanted])
    return Task.FromString(work.message(replace(record, attempt=attempt)))


@pytest.mark.parametrize("attempt", [1, 2, 7, 300])
def test_the_attempt_is_told_without_touching_the_payload(attempt: int) -> None:
    """The record keeps the message once; each attempt appends its number, and the rest stays as it was."""
    [record] = work.assignments(reading_job(), document(), [NewTask("ocr", (3,))])
    task = Task.FromString(work.message(replace(record, attempt=attempt)))
    assert attempt == task.attempt
    task.ClearField("attempt")
    assert Task.FromString(record.payload) == task


def test_a_later_attempt_overrides_an_earlier_one() -> None:
    """Appended once more, the last number counts (protobuf encoding: last one wins)."""
    payload = Task(id="a", attempt=1).SerializeToString() + Task(attempt=2).SerializeToString()
    assert Task(id="a", attempt=2) == Task.FromString(payload)


def test_every_task_names_its_job_document_and_organization() -> None:
    """And has an id of its own."""
    records = work.assignments(reading_job(), document(), [NewTask("ocr", (1,)), NewTask("ocr", (2,))])
    tasks = [Task.FromString(work.message(each)) for each in records]
    assert [(str(ID),) * 3] * 2 == [(task.job_id, task.document_id, task.organization_id) for task in tasks]
    assert [str(each.id) for each in records] == [task.id for task in tasks]
    assert 2 == len({task.id for task in tasks})


def test_tasks_carry_what_opens_the_original() -> None:
    """Key, type, password and size, for every kind that opens it."""
    expected = Source(storage_key="originals/a.pdf", mime_type="application/pdf", password="secret", size=7)
    inspect, extract, ocr = (sent(NewTask(kind, (1,))) for kind in ("inspect", "extract", "ocr"))
    assert [expected] * 3 == [inspect.inspect.source, extract.extract.source, ocr.ocr.source]


def test_tasks_carry_what_to_read() -> None:
    """Pages, mode and languages as asked."""
    job = reading_job()
    job.config |= {"mode": "READ_MODE_TABLE", "languages": "deu+eng"}
    extract = sent(NewTask("extract", (4, 5, 9)), job).extract
    assert (ReadMode.READ_MODE_TABLE, [4, 5, 9]) == (extract.mode, list(extract.pages))
    ocr = sent(NewTask("ocr", (3,)), job).ocr
    assert (3, "deu+eng") == (ocr.page, ocr.languages)


def test_ocr_reads_english_unless_told() -> None:
    """A job without languages has the default."""
    job = reading_job()
    job.config["languages"] = ""
    assert work.DEFAULT_LANGUAGES == sent(NewTask("ocr", (1,)), job).ocr.languages


def test_an_analysis_carries_its_question_and_no_password() -> None:
    """It opens nothing."""
    task = sent(NewTask("analyze"), analysis_job())
    assert ("analyze", "summary") == (task.WhichOneof("work"), task.analyze.config.analysis_type)
    assert b"secret" not in sent(NewTask("analyze"), reading_job(analysis=True)).SerializeToString()


@pytest.mark.parametrize("job", [analysis_job(), reading_job(analysis=True)], ids=["analysis", "reading"])
def test_an_analysis_says_who_asked_for_it(job: JobRecord) -> None:
    """That is whose provider key is used; the document may be somebody else's."""
    asker = uuid4()
    task = sent(NewTask("analyze"), replace(job, user_id=asker))
    assert str(asker) == task.analyze.user_id


@pytest.mark.parametrize(("priority", "lane"), [(9, "high"), (5, "normal"), (0, "low")])
def test_the_lane_follows_from_the_priority(priority: int, lane: str) -> None:
    """For every task of the job."""
    job = replace(reading_job(), priority=priority)
    records = work.assignments(job, document(), [NewTask("inspect"), NewTask("extract", (1, 2))])
    assert [("inspect", lane, ()), ("extract", lane, (1, 2))] == [
        (each.kind, each.lane, each.pages) for each in records
    ]
