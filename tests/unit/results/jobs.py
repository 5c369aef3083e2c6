"""Records for tests of the pipeline."""

from typing import Any
from uuid import UUID

from services.results.records import DocumentRecord, JobRecord, PageRecord, PageToRead, Problem

ID = UUID("6f1f0b8e-0000-4000-8000-000000000001")
ANALYSIS = {"analysis_type": "summary"}
BROKEN = Problem("unreadable_page", "The page is damaged.")


def reading_job(analysis: bool = False, **fields: Any) -> JobRecord:
    """A job that reads a document, then analyses it when asked."""
    config: dict[str, Any] = {"languages": "eng", "password": "secret"}
    if analysis:
        config["analysis"] = ANALYSIS
    return JobRecord(ID, ID, ID, ID, "text_extraction", 5, config, **fields)


def analysis_job(**fields: Any) -> JobRecord:
    """A job that analyses a document."""
    return JobRecord(ID, ID, ID, ID, "analysis", 5, {"analysis": ANALYSIS}, **fields)


def document(**fields: Any) -> DocumentRecord:
    """An uploaded PDF."""
    values: dict[str, Any] = {"filename": "a.pdf", "original_filename": "A.pdf", "file_size": 7}
    values |= {"mime_type": "application/pdf", "sha256": "00", "storage_key": "originals/a.pdf", **fields}
    return DocumentRecord(ID, ID, ID, **values)


def to_read(*needs_ocr: bool) -> list[PageToRead]:
    """Pages as inspection saw them."""
    return [PageToRead(number, each) for number, each in enumerate(needs_ocr, start=1)]


def read(number: int, text: str = "text", tables: int = 0) -> PageRecord:
    """A page that was read."""
    return PageRecord(number, text=text, table_count=tables)


def broken(number: int, problem: Problem = BROKEN) -> PageRecord:
    """A page that could not be read."""
    return PageRecord(number, problem=problem)
