"""Records to and from messages."""

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from hypothesis import example, given
from hypothesis import strategies as st

from mesh import pages
from mesh.blobs import Blobs
from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, TokenUsage
from pagemesh.results.v1.job_pb2 import DocumentState, JobConfig, JobState, JobType, ReadMode
from pagemesh.results.v1.page_pb2 import Box, Line, Page, PageSource, Table, Word
from services.results import convert
from services.results.records import Problem
from services.results.store.documents import as_json
from tests.unit.results.jobs import ID, analysis_job, broken, document, reading_job

NOON = datetime(2026, 5, 3, 12, 0, 0, 250_000, tzinfo=UTC)


def test_a_job_config_survives_the_record() -> None:
    """Through JSON, as PostgreSQL keeps it."""
    options = Struct()
    options.update({"output_schema": {"type": "object"}, "num_tags": 3, "exclude_tags": ["a"]})
    config = JobConfig(
        mode=ReadMode.READ_MODE_TABLE,
        languages="eng+hin",
        password="pässword",
        analysis=AnalysisConfig(analysis_type="custom", prompt="Why?", options=options),
    )
    job = reading_job()
    job.config = json.loads(as_json(convert.config_record(config)))
    assert config == convert.job_config(job)


def test_a_job_never_tells_its_password() -> None:
    """Nor does it lose what else was asked."""
    job = reading_job(analysis=True)
    message = convert.job_message(job)
    assert ("", "eng", "summary") == (
        message.config.password,
        message.config.languages,
        message.config.analysis.analysis_type,
    )
    assert "secret" == job.config["password"]


def test_a_running_job_tells_how_far_it_is() -> None:
    """Times that are not known are absent; there is neither result nor error."""
    job = reading_job(state="running", stage="reading", progress=40, pages_total=9, pages_done=3, pages_failed=1)
    job.created_at = job.updated_at = job.started_at = NOON
    message = convert.job_message(job)
    assert (JobState.JOB_STATE_RUNNING, JobType.JOB_TYPE_TEXT_EXTRACTION, "reading", 40, 9, 3, 1, 1) == (
        message.state,
        message.type,
        message.stage,
        message.progress,
        message.pages_total,
        message.pages_done,
        message.pages_failed,
        message.revision,
    )
    assert (NOON, False) == (message.started_at.ToDatetime(UTC), message.HasField("completed_at"))
    assert (False, False) == (message.HasField("result"), message.HasField("error"))


def test_a_result_is_told_when_the_job_has_completed() -> None:
    """While its analysis runs, what reading came to is not yet the job's result."""
    result = {"text_length": 4, "page_count": 1, "pages_failed": [{"page": 2, "code": "x", "message": "y"}]}
    running = convert.job_message(reading_job(state="running", stage="analyzing", result=result))
    completed = convert.job_message(reading_job(state="completed", stage="completed", result=result)).result
    assert not running.HasField("result")
    assert (4, 1, [(2, "x", "y")]) == (
        completed.text_length,
        completed.page_count,
        [(each.page, each.code, each.message) for each in completed.pages_failed],
    )


def test_a_failed_job_tells_why() -> None:
    """Code and sentence."""
    message = convert.job_message(
        reading_job(state="failed", stage="failed", error=Problem("corrupt_document", "Bad."))
    )
    assert ("corrupt_document", "Bad.") == (message.error.code, message.error.message)


@pytest.mark.parametrize("state", ["uploaded", "processing", "completed", "failed"])
def test_documents_have_their_states(state: str) -> None:
    """A page count that is not known is absent."""
    message = convert.document_message(document(state=state, metadata={"Title": "T"}))
    assert (f"DOCUMENT_STATE_{state.upper()}", {"Title": "T"}, False) == (
        DocumentState.Name(message.state),
        dict(message.metadata),
        message.HasField("page_count"),
    )
    assert 3 == convert.document_message(document(page_count=3)).page_count


def page(text: str = "a line\nanother", source: PageSource.ValueType = PageSource.PAGE_SOURCE_OCR) -> Page:
    """A page with a line and a table."""
    box = Box(left=1, top=2, right=3, bottom=4)
    return Page(
        number=3,
        width=595.5,
        height=842.25,
        source=source,
        language="eng",
        confidence=0.5 if source == PageSource.PAGE_SOURCE_OCR else None,
        text=text,
        lines=[Line(text="a line", box=box, words=[Word(text="a", box=box, confidence=0.25)])],
        tables=[Table(box=box, row_count=1, column_count=1)],
        engine="tesseract 5",
        rotation=90,
    )


@pytest.mark.parametrize("source", [PageSource.PAGE_SOURCE_OCR, PageSource.PAGE_SOURCE_TEXT])
@pytest.mark.parametrize("text", ["", "a line\nanother", "ä" * 300_000], ids=["empty", "short", "through the blobs"])
async def test_a_page_survives_worker_record_and_reader(source: PageSource.ValueType, text: str) -> None:
    """Small ones inside the message, large ones through the blob store; lines come when they are asked for."""
    sent, blobs = page(text, source), Blobs("memory://")
    outcome = await pages.pack(sent, blobs, "document")
    record = convert.page_record(outcome)
    assert (len(text) > 1000, 1) == (bool(record.layout_key), record.table_count)
    assert outcome.ByteSize() < 1 << 20
    layout = await blobs.get(record.layout_key) if record.layout_key else record.layout
    if record.layout_key:  # the record takes the text from the blob, see recording.py
        record = replace(record, text=pages.unpack(layout).text)
    assert sent == convert.page_message(record, layout, include_lines=True)
    sent.ClearField("lines")
    assert sent == convert.page_message(record, layout, include_lines=False)


def test_a_page_that_failed_has_its_problem() -> None:
    """With a code even when the worker gave none."""
    assert broken(2) == convert.page_record(pages.failed(2, "unreadable_page", "The page is damaged."))
    assert "unreadable_page" == (convert.page_record(pages.failed(2, "", "?")).problem or Problem("", "")).code


def test_a_layout_is_no_way_to_smuggle_in_another_number() -> None:
    """Number, size and text are the record's."""
    record = convert.page_record(pages.failed(7, "x", "y"))
    message = convert.page_message(record, zlib.compress(page().SerializeToString()), include_lines=True)
    assert (7, "", 0.0) == (message.number, message.text, message.width)


def outcome() -> AnalysisOutcome:
    """What a worker found."""
    data = Struct()
    data.update({"summary": "S", "evidence": {"summary": [{"page": 1, "quote": "Q"}]}})
    return AnalysisOutcome(
        result_data=data,
        confidence=0.75,
        model_version="local 1",
        token_usage=TokenUsage(input_tokens=2, output_tokens=3, total_tokens=5),
        processing_time_ms=12,
        prompt_sha256="ab",
        cost_usd=0.5,
    )


def test_an_analysis_survives_the_record() -> None:
    """Its id follows from the job, so that a repeat is the same one."""
    job = analysis_job(created_at=NOON)
    one, other = (convert.analysis_record(job, outcome()) for _ in range(2))
    assert one == other
    message = convert.analysis_message(one)
    assert (str(one.id), str(ID), "summary", MessageToDict(outcome().result_data)) == (
        message.id,
        message.job_id,
        message.analysis_type,
        MessageToDict(message.result_data),
    )
    assert (0.75, "local 1", outcome().token_usage, 12, "ab", 0.5, NOON) == (
        message.confidence,
        message.model_version,
        message.token_usage,
        message.processing_time_ms,
        message.prompt_sha256,
        message.cost_usd,
        message.started_at.ToDatetime(UTC),
    )


def test_an_unknown_price_stays_unknown() -> None:
    """It is not free of charge."""
    found = outcome()
    found.ClearField("cost_usd")
    assert not convert.analysis_message(convert.analysis_record(analysis_job(), found)).HasField("cost_usd")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


_TEXT = st.text(st.sampled_from('\0\\u0a"é'), max_size=12)
_JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | _TEXT, lambda inner: st.lists(inner, max_size=3))


@example("\\u0000")
@example("\0\\\0\\u0000\0")
@example({"\\u0000": ["\0\0"]})
@given(_JSON | st.dictionaries(_TEXT, _JSON, max_size=1))
def test_any_value_can_be_recorded(value: Any) -> None:
    """PostgreSQL takes no NUL character; all else comes back, the six characters of its escape too."""
    assert _without_nul(value) == json.loads(as_json(value))
