"""Texts at ingest: stored and submitted as what they are, refused when they are none, read page by page."""

import pytest

from mesh import pages
from mesh.errors import InvalidArgument, PagemeshError, TooMuch
from pagemesh.results.v1.job_pb2 import JobType
from pagemesh.work.v1.work_pb2 import ExtractTask, InspectTask, Source
from tests.contract.test_ingest import MIB, Ingest, ingest, task_of
from tests.support.services import Caller

__all__ = ["ingest"]  # a fixture


async def test_a_text_is_no_file(ingest: Ingest, ada: Caller) -> None:
    """It is stored as plain text whatever it looks like, for a job of the type that was asked for."""
    text = "%PDF-1.7 says a text that is none. \u0939".encode()
    await ingest.upload(ada, text, 7, plain_text=True, job_type=JobType.JOB_TYPE_TEXT_TASK)
    submitted = list(ingest.record.recorded.values())[-1]
    assert ("text/plain", len(text), JobType.JOB_TYPE_TEXT_TASK) == (
        submitted.document.mime_type,
        submitted.document.file_size,
        submitted.job_type,
    )
    assert text == await ingest.blobs.get(submitted.document.storage_key)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", InvalidArgument, "EMPTY_FILE"),
        (b"broken \xff", InvalidArgument, "INVALID_FILE_TYPE"),
        ("cut \u0939".encode()[:-1], InvalidArgument, "INVALID_FILE_TYPE"),
        (b"x" * 1_000_001, TooMuch, "FILE_TOO_LARGE"),
    ],
)
async def test_what_is_no_text_leaves_nothing(
    ingest: Ingest, ada: Caller, content: bytes, kind: type[PagemeshError], reason: str
) -> None:
    """Neither a file nor a job."""
    before, recorded = ingest.files(), len(ingest.record.recorded)
    with pytest.raises(kind) as refused:
        await ingest.upload(ada, content, plain_text=True, max_bytes=4 * MIB)
    assert (reason, before, recorded) == (refused.value.reason, ingest.files(), len(ingest.record.recorded))


async def test_characters_are_counted_and_not_bytes(ingest: Ingest, ada: Caller) -> None:
    """A million of four bytes each."""
    await ingest.upload(ada, "\U0001f600".encode() * 1_000_000, plain_text=True, max_bytes=4_000_000)


async def test_a_long_text_is_inspected_then_read_in_ranges(ingest: Ingest) -> None:
    """As a long document is."""
    text = "".join(f"Sentence {number} of a long text. " for number in range(4_000))
    key = "originals/long.txt"
    await ingest.blobs.put(key, text.encode())
    source = Source(storage_key=key, mime_type="text/plain", size=len(text))
    (fact,) = await ingest.facts.of(task_of(inspect=InspectTask(source=source)))
    count = len(fact.inspected.pages)
    assert (True, 0) == (count > 16, len(fact.inspected.outcomes))
    (read,) = await ingest.facts.of(task_of(extract=ExtractTask(source=source, pages=range(1, count + 1))))
    outcomes = [outcome.content for outcome in read.extracted.outcomes]
    assert text == "".join(content.text for content in outcomes)
    assert not any(pages.unpack(content.layout).lines for content in outcomes)
