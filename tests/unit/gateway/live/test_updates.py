"""Updates: what a job's message says of the job and of its document."""

import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pagemesh.results.v1 import job_pb2
from services.gateway.live import updates
from services.gateway.live.updates import Channel, DocumentSeen, document_seen
from services.results import convert, pipeline
from services.results.records import JobRecord, PageRecord, PageToRead, Problem

_NOW = datetime(2026, 11, 27, tzinfo=UTC)
_BROKEN = Problem("unreadable_page", "It cannot be read.")


def _job(analysis: bool) -> JobRecord:
    config: dict[str, Any] = {"analysis": {"analysis_type": "summary"}} if analysis else {}
    number = uuid.uuid4()
    return JobRecord(number, number, number, number, "text_extraction", 5, config, created_at=_NOW, updated_at=_NOW)


def _opened(job: JobRecord) -> None:
    pipeline.inspected(job, [PageToRead(1, False), PageToRead(2, True)], frozenset())


def _read(job: JobRecord, *readable: bool) -> None:
    numbered = enumerate(readable, 1)
    pipeline.settled(job, [PageRecord(number=at, problem=None if good else _BROKEN) for at, good in numbered])
    if pipeline.all_pages_settled(job):
        pipeline.finish_reading(job, pipeline.Ending(((1, _BROKEN),)))


_Step = Callable[[JobRecord], object]
_STEPS: Mapping[str, tuple[_Step, ...]] = {
    "submitted": (),
    "opened": (_opened,),
    "empty": (lambda job: pipeline.inspected(job, [], frozenset()),),
    "half read": (_opened, lambda job: _read(job, True)),
    "read": (_opened, lambda job: _read(job, True, False)),
    "unreadable": (_opened, lambda job: _read(job, False, False)),
    "analyzed": (_opened, lambda job: _read(job, True, True), lambda job: pipeline.analyzed(job, str(uuid.uuid4()))),
}
_ENDS: Mapping[str, tuple[_Step, ...]] = {
    "": (),
    "then failed": (lambda job: pipeline.failed(job, _BROKEN),),
    "then cancelled": (pipeline.cancelled,),
}


@pytest.mark.parametrize(("steps", "end", "analysis"), list(itertools.product(_STEPS, _ENDS, (False, True))))
def test_document_status(steps: str, end: str, analysis: bool) -> None:
    """Whatever becomes of a job, its message says of the document what the pipeline does."""
    job = _job(analysis)
    for step in (*_STEPS[steps], *_ENDS[end]):
        step(job)
    expected = DocumentSeen(pipeline.document_state(job), job.pages_total or None)  # type: ignore[arg-type]
    assert expected == document_seen(convert.job_message(job))


def test_analyses_change_no_document() -> None:
    """Only jobs that read say something of their document."""
    assert document_seen(job_pb2.Job(type=job_pb2.JOB_TYPE_ANALYSIS, state=job_pb2.JOB_STATE_FAILED)) is None


def test_messages() -> None:
    """Messages have the contract's fields, and ends are final."""
    job = job_pb2.Job(id="j", document_id="d", state=job_pb2.JOB_STATE_RUNNING, stage="reading", progress=40)
    update = updates.job_update(job)
    data = {"job_id": "j", "document_id": "d", "status": "running", "progress": 40, "stage": "reading"}
    assert {"type": "job_update", "data": data} == json.loads(update.message)
    assert (Channel.JOBS, "j", False) == (update.channel, update.subject, update.final)
    gone = json.loads(updates.gone_update(job).message)["data"]
    assert {**data, "status": "cancelled", "stage": "cancelled"} == gone
    document = updates.document_update(job, DocumentSeen("completed", 3))
    told = {"document_id": "d", "status": "completed", "page_count": 3}
    assert {"type": "document_update", "data": told} == json.loads(document.message)
    assert (Channel.DOCUMENTS, "d", True) == (document.channel, document.subject, document.final)
