"""Cut a document into parts that fit one model call, each page under a marker that the text cannot forge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from services.analysis.reading import Document, PageText

_MARKER_CHARS = 40


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive pages as text: each opens with `[[page N <seal>]]`."""

    text: str
    first_page: int
    last_page: int


def seal(document: Document) -> str:
    """A token that stands in the markers of this document and, being made from its text, cannot stand in the text."""
    digest = hashlib.sha256()
    for line in document.lines:
        digest.update(line.text.encode())
    return digest.hexdigest()[:12]


def parts(document: Document, max_chars: int, mark: str) -> list[Part]:
    """The document in parts of at most `max_chars`, cut between pages, within a page only where it is longer."""
    found: list[Part] = []
    texts: list[str] = []
    size = first = last = 0
    for number, text in _pieces(document, max_chars - _MARKER_CHARS):
        if texts and size + len(text) + _MARKER_CHARS > max_chars:
            found.append(Part("\n".join(texts), first, last))
            texts, size = [], 0
        first = first if texts else number
        last = number
        texts.append(f"[[page {number} {mark}]]\n{text}")
        size += len(text) + _MARKER_CHARS
    return [*found, Part("\n".join(texts), first, last)] if texts else found


def _pieces(document: Document, max_chars: int) -> Iterator[tuple[int, str]]:
    for page in document.pages:
        text = page_text(page)
        while len(text) > max_chars:
            cut = text.rfind("\n", max_chars // 2, max_chars) + 1 or max_chars
            yield page.number, text[:cut]
            text = text[cut:]
        if text.strip():
            yield page.number, text


def page_text(page: PageText) -> str:
    """The lines of a page, paragraphs parted, and its table rows where the lines do not hold them."""
    lines = [f"\n{line.text}" if line.opens_paragraph and place else line.text for place, line in enumerate(page.lines)]
    held = "".join("".join(lines).split())
    rows = [" | ".join(row.cells) for row in page.rows if any("".join(c.split()) not in held for c in row.cells)]
    return "\n".join([*lines, *rows])
