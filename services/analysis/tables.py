"""Labels and values in the rows and columns of tables."""

from __future__ import annotations

from collections.abc import Iterator

from services.analysis.canonical import canonical
from services.analysis.labels import MAX_VALUE, SHORT, Pair, is_label, only_figures, tidy_label
from services.analysis.reading import Line, Row
from services.analysis.values import Value, find_values


def row_pairs(row: Row) -> Iterator[Pair]:
    """A table row with a label cell first and figures after it, or a label and one text cell."""
    filled = [(place, cell) for place, cell in enumerate(row.cells) if cell]
    if len(filled) < 2 or not is_label(filled[0][1]):
        return
    line = Line(row.page, " ".join(cell for _, cell in filled), row.box)
    figures = [(place, found[0]) for place, cell in filled[1:] if (found := _cell_values(cell))]
    if figures:
        header = row.header or ()
        columns = tuple(header[place] if place < len(header) else "" for place, _ in figures)
        values = tuple(value for _, value in figures)
        yield Pair(tidy_label(filled[0][1]), values[0].text, values, (line,), "table", columns)
    elif len(filled) == 2 and len(row.cells) == 2 and len(filled[1][1]) <= MAX_VALUE:
        yield Pair(tidy_label(filled[0][1]), filled[1][1], (), (line,), "table")


def column_pairs(row: Row) -> Iterator[Pair]:
    """Cells below a well-known label of the header that names no amount: "Invoice No | Date" above their values."""
    for label, cell in zip(row.header or (), row.cells, strict=False):
        if label and cell and len(cell) <= 2 * SHORT and any("amount" not in kinds for _, kinds in canonical(label)):
            line = Line(row.page, " ".join(filter(None, row.cells)), row.box)
            yield Pair(tidy_label(label), cell, tuple(find_values(cell)), (line,), "above")


def _cell_values(cell: str) -> list[Value]:
    return find_values(cell) if only_figures(cell) else []
