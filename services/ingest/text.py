"""Text, and tables where they are asked for, of the pages of a born-digital PDF, one page at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pypdfium2 as pdfium

from pagemesh.results.v1 import page_pb2
from services.ingest.columns import part_columns
from services.ingest.faults import DocumentFault, PageFault
from services.ingest.hyphens import rejoin_words
from services.ingest.language import detect_language
from services.ingest.lines import join_rows, text_lines
from services.ingest.pdf import ENGINE, MAX_PAGES, OpenPage, loaded, opened
from services.ingest.reading_order import paragraphs
from services.ingest.tables import find_tables

ExtractionMode = Literal["text", "table", "mixed"]


def extract_pages(
    path: str | Path,
    numbers: Iterable[int],
    mode: ExtractionMode = "mixed",
    password: str | None = None,
    max_pages: int = MAX_PAGES,
) -> Iterator[page_pb2.Page | PageFault]:
    """Reads the pages `numbers` (from 1), yielding each before the next is opened, so memory does not grow with them.

    `text` skips tables; `table` and `mixed` have both text and tables. A page that cannot be read comes as a fault.

    Raises DocumentFault when the document itself cannot be opened.
    """
    with opened(path, password, max_pages) as document:
        for number in numbers:
            yield _read(document, number, mode)


def _read(document: pdfium.PdfDocument, number: int, mode: ExtractionMode) -> page_pb2.Page | PageFault:
    try:
        with loaded(document, number) as page:
            return read_or_fault(page, number, with_tables=mode != "text")
    except DocumentFault as fault:
        return PageFault(number, fault.code, fault.message)


def read_or_fault(page: OpenPage, number: int, *, with_tables: bool) -> page_pb2.Page | PageFault:
    """As `read_page`; what is wrong with this page alone comes as a fault."""
    try:
        return read_page(page, number, with_tables=with_tables)
    except DocumentFault as fault:
        return PageFault(number, fault.code, fault.message)
    except MemoryError:
        return PageFault(number, "out_of_resources", "Reading the page takes more memory than is allowed.")


def read_page(page: OpenPage, number: int, *, with_tables: bool) -> page_pb2.Page:
    """Text, lines and, if asked, tables of one loaded page."""
    found = text_lines(page)
    parts = rejoin_words(paragraphs(join_rows(part_columns(page, found))))
    text = "\n\n".join("\n".join(line for line, _ in part) for part in parts)
    return page_pb2.Page(
        number=number,
        width=page.frame.width,
        height=page.frame.height,
        source=page_pb2.PAGE_SOURCE_TEXT,
        language=detect_language(text),
        text=text,
        lines=[page_pb2.Line(text=line, box=box.message()) for part in parts for line, box in part],
        tables=find_tables(page, found) if with_tables else [],
        engine=ENGINE,
    )
