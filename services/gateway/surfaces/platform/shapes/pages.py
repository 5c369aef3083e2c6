"""Pages with their lines, words and tables."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.common import Uuid


class Box(TypedDict):
    """A rectangle in points from the page's upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class Word(TypedDict):
    """A word; `confidence` 0 to 1, null for stored text."""

    text: str
    bbox: Box
    confidence: float | None


class Line(TypedDict):
    """A line of text."""

    text: str
    bbox: Box
    words: list[Word]


class Cell(TypedDict):
    """A cell; rows and columns from 0."""

    row: int
    column: int
    row_span: int
    column_span: int
    text: str
    bbox: Box


class Table(TypedDict):
    """A table: `rows` is its plain grid, `cells` its exact form."""

    bbox: Box
    row_count: int
    column_count: int
    rows: list[list[str]]
    cells: list[Cell]


class PageTable(Table):
    """A table of a document."""

    page: int


class Tables(TypedDict):
    """All tables of a document."""

    document_id: Uuid
    tables: list[PageTable]


class Page(TypedDict):
    """A page that was read; sides in points."""

    number: int
    width: float
    height: float
    source: Literal["text", "ocr"]
    language: str | None
    confidence: float | None
    rotation: int
    engine: str
    text: str
    tables: list[Table]
    blocks: NotRequired[list[Line]]


class PageList(TypedDict):
    """Pages, in order."""

    items: list[Page]
    total: int
    page: int
    per_page: int
    pages: int
