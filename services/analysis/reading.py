"""A document as an analyzer reads it: lines with their places, table rows, running heads set apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pagemesh.results.v1 import page_pb2

Box = tuple[float, float, float, float]

# More than the longest books; a bound on memory and time, not on usefulness.
MAX_CHARS: Final = 8_000_000
_DIGITS = re.compile(r"\d+")
_MOST_COLUMNS = 1_000
_EDGE_LINES: Final = 3
_MAX_LINE: Final = 1_000
_SYNC_REACH: Final = 8
# Where nobody has broken lines, a sentence is what a quote can be: texts come with a whole paragraph in a line.
_SENTENCE_ENDS = re.compile(r"(?:(?<=[^\W\d_]{3}[.!?])|(?<=\d\d[.!?])|(?<=[\u0964\u3002]))\s+(?=[^\Wa-z_])")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text. `box` is (left, top, right, bottom) in points, None where unknown."""

    page: int
    text: str
    box: Box | None = None
    opens_paragraph: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, with the first row of its table as `header` (None for that row itself)."""

    page: int
    cells: tuple[str, ...]
    box: Box | None = None
    header: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PageText:
    """One page: its lines in reading order and the rows of its tables."""

    number: int
    lines: tuple[Line, ...]
    rows: tuple[Row, ...] = ()
    confidence: float | None = None


@dataclass(slots=True)
class Document:
    """The pages in order. `truncated_at` is the first page left out, None when all were read."""

    pages: list[PageText] = field(default_factory=list)
    truncated_at: int | None = None
    running: frozenset[str] = frozenset()

    @property
    def lines(self) -> Iterator[Line]:
        """Every line."""
        return (line for page in self.pages for line in page.lines)

    @property
    def rows(self) -> Iterator[Row]:
        """Every table row."""
        return (row for page in self.pages for row in page.rows)

    def body(self, page: PageText) -> list[Line]:
        """The lines of a page without running heads and page numbers."""
        if not self.running:
            return list(page.lines)
        edge = len(page.lines) - _EDGE_LINES
        return [
            line
            for place, line in enumerate(page.lines)
            if not ((place < _EDGE_LINES or place >= edge) and _shape(line.text) in self.running)
        ]

    @property
    def reading_confidence(self) -> float:
        """Mean confidence of the pages, 1 for text that was stored in the file."""
        known = [page.confidence for page in self.pages if page.confidence is not None]
        return (sum(known) + len(self.pages) - len(known)) / len(self.pages) if self.pages else 0.0


def read_document(pages: Iterable[page_pb2.Page]) -> Document:
    """Take what analyzers need out of the page messages, holding at most `MAX_CHARS` characters."""
    document, size = Document(), 0
    for page in pages:
        size += len(page.text)
        if size > MAX_CHARS and document.pages:
            document.truncated_at = page.number
            break
        document.pages.append(_read_page(page))
    document.running = _running_lines(document.pages)
    return document


def merge(boxes: Iterable[Box | None]) -> Box | None:
    """The smallest box around all the known ones."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    left, top, right, bottom = zip(*known, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _read_page(page: page_pb2.Page) -> PageText:
    confidence = page.confidence if page.HasField("confidence") else None
    rows = tuple(row for table in page.tables for row in _read_table(page.number, table))
    return PageText(page.number, tuple(_read_lines(page)), rows, confidence)


def _read_lines(page: page_pb2.Page) -> Iterator[Line]:
    """Lines of the text with the boxes of `page.lines`; the two may differ by a few lines."""
    placed = [(_clean(line.text), _box(line.box) if line.HasField("box") else None) for line in page.lines]
    texts = page.text.split("\n") if page.text.strip() else [text for text, _ in placed]
    place, opens = 0, True
    for raw in texts:
        text = _clean(raw)
        if not text:
            opens = True
            continue
        box = None
        for ahead in range(place, min(place + _SYNC_REACH, len(placed))):
            if placed[ahead][0] == text:
                box, place = placed[ahead][1], ahead + 1
                break
        for sentence in [text] if placed else _SENTENCE_ENDS.split(text):
            for piece in _cut(sentence):
                yield Line(page.number, piece, box, opens)
                opens = False


def _cut(text: str) -> Iterator[str]:
    """A line in pieces of bounded length: whole books may come as one line, and patterns are run on each."""
    while len(text) > _MAX_LINE:
        at = text.rfind(" ", _MAX_LINE // 2, _MAX_LINE)
        at = at if at > 0 else _MAX_LINE
        yield text[:at]
        text = text[at:].lstrip()
    yield text


def _clean(text: str) -> str:
    """Single spaces; PDFium's two marks of a hyphen at a line's end as one."""
    return " ".join(text.replace("\x02", "\ufffe").split())


def _read_table(number: int, table: page_pb2.Table) -> Iterator[Row]:
    grid: dict[int, dict[int, page_pb2.Cell]] = {}
    for cell in table.cells:
        if cell.column < _MOST_COLUMNS:  # callers say where cells are, and rows are as long as their last cell says
            grid.setdefault(cell.row, {})[cell.column] = cell
    header: tuple[str, ...] | None = None
    for _, cells in sorted(grid.items()):
        width = max(cells) + 1
        texts = tuple(" ".join(cells[n].text.split()) if n in cells else "" for n in range(width))
        box = merge(_box(cell.box) if cell.HasField("box") else None for cell in cells.values())
        yield Row(number, texts, box, header)
        header = header or texts


def _box(box: page_pb2.Box) -> Box:
    return box.left, box.top, box.right, box.bottom


def _shape(text: str) -> str:
    return _DIGITS.sub("#", text)


def _running_lines(pages: list[PageText]) -> frozenset[str]:
    """Shapes (digits as #) of lines that stand at the edge of a third of the pages, three at least."""
    if len(pages) < 3:
        return frozenset()
    counts: Counter[str] = Counter()
    for page in pages:
        edges = page.lines[:_EDGE_LINES] + page.lines[_EDGE_LINES:][-_EDGE_LINES:]
        counts.update({_shape(line.text) for line in edges})
    enough = max(3, len(pages) // 3)
    return frozenset(shape for shape, count in counts.items() if count >= enough)
