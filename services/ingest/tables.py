"""Tables of a born-digital page: grids of lines first, aligned text where lines found nothing."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from pagemesh.results.v1 import page_pb2
from services.ingest.alignment import AlignedTable, aligned_tables
from services.ingest.geometry import Rectangle
from services.ingest.grids import Grid, GridCell, grids, without_empty
from services.ingest.lines import TextLine, TextWord, line_words
from services.ingest.pdf import OpenPage
from services.ingest.rows import is_prose, rows_of
from services.ingest.rulings import Rulings, rulings

MIN_FILLED: Final = 3
# Rows of text a row of the grid from which alignment is asked, and how many times more cells it must find.
STACKED: Final = 1.8
BETTER: Final = 1.5


def find_tables(page: OpenPage, lines: Iterable[TextLine]) -> list[page_pb2.Table]:
    """The tables of the page, top to bottom; `lines` are all its lines of text."""
    drawn = rulings(page)
    words = [word for line in lines if not line.is_vertical for word in _words(page, line, drawn)]
    ruled = [grid for grid in grids(drawn) if len(grid.ys) > 2 and len(grid.xs) > 2]
    tables = [table for grid in ruled if (table := _table_in(grid, words)) is not None]
    free = [word for word in words if not any(_within(word.box, grid.box) for grid in ruled)]
    tables += map(_message, aligned_tables(rows_of(free)))
    return sorted(tables, key=lambda table: (table.box.top, table.box.left))


def _words(page: OpenPage, line: TextLine, drawn: Rulings) -> Iterable[TextWord]:
    """The words of a line; a line of running text that no vertical line cuts counts as one, to save its measuring."""
    if line.gaps or not is_prose(line.text):
        return line_words(page, line)
    left, right, middle = line.box.left, line.box.right, (line.box.top + line.box.bottom) / 2
    if any(left < cut.at < right and cut.start < middle < cut.end for cut in drawn.vertical):
        return line_words(page, line)
    return (TextWord(line.text, line.box),)


def _table_in(grid: Grid, words: Sequence[TextWord]) -> page_pb2.Table | None:
    """What the lines make of the words in the grid, or what alignment does if its cells are many more.

    Lines around a header and a body leave all rows of the body in one.
    """
    table = _ruled_table(grid, words)
    inside = [word for word in words if _within(word.box, grid.box)]
    rows = rows_of(inside)
    if len(rows) < STACKED * (len(grid.ys) - 1):
        return table
    aligned = max(aligned_tables(rows), key=lambda found: len(found.cells), default=None)
    if aligned is None or (table and len(aligned.cells) < BETTER * sum(bool(cell.text) for cell in table.cells)):
        return table
    return _message(aligned)


def _message(aligned: AlignedTable) -> page_pb2.Table:
    return table_message(aligned.box, aligned.rows, aligned.columns, aligned.cells)


def _ruled_table(grid: Grid, words: Sequence[TextWord]) -> page_pb2.Table | None:
    inside = [word for word in words if _within(word.box, grid.box)]
    grid = without_empty(grid, [word.box for word in inside])
    cells = [part for cell, own in _shared_out(grid, inside) for part in _filled(cell, own, grid)]
    if sum(bool(text) for _, text in cells) < MIN_FILLED:
        return None
    return table_message(grid.box, len(grid.ys) - 1, len(grid.xs) - 1, cells)


def _shared_out(grid: Grid, words: Sequence[TextWord]) -> list[tuple[GridCell, list[TextWord]]]:
    """Each cell with the words whose middle lies in it."""
    shares: list[tuple[GridCell, list[TextWord]]] = [(cell, []) for cell in grid.cells]
    owner = {place: own for cell, own in shares for place in cell.places()}
    for word in words:
        x, y = (word.box.left + word.box.right) / 2, (word.box.top + word.box.bottom) / 2
        own = owner.get((bisect_right(grid.ys, y) - 1, bisect_right(grid.xs, x) - 1))
        if own is not None:
            own.append(word)
    return shares


def _filled(cell: GridCell, words: Sequence[TextWord], grid: Grid) -> list[tuple[GridCell, str]]:
    """The cell with its text, or the cells that it stands for where only the lines between them are missing."""
    if cell.column_span > 1 and cell.row_span == 1 and (parts := _apart(cell, words, grid.xs)):
        return parts
    return [(cell, cell_text(words))]


def _apart(cell: GridCell, words: Sequence[TextWord], xs: Sequence[float]) -> list[tuple[GridCell, str]]:
    """One cell a column, if words stand in half of the columns or more, with gaps between, and cross no edge."""
    rows = rows_of(words)
    if len(rows) != 1 or len(rows[0].segments) < max(2, cell.column_span / 2):
        return []
    edges = xs[cell.column : cell.column + cell.column_span + 1]
    if any(word.box.left < edge - 1 and word.box.right > edge + 1 for word in words for edge in edges):
        return []
    parts = []
    for index, (left, right) in enumerate(pairwise(edges), cell.column):
        box = Rectangle(left, cell.box.top, right, cell.box.bottom)
        parts.append((GridCell(cell.row, index, 1, 1, box), cell_text([w for w in words if _within(w.box, box)])))
    return parts


def table_message(box: Rectangle, rows: int, columns: int, cells: Iterable[tuple[GridCell, str]]) -> page_pb2.Table:
    """The protobuf message for cells and their texts."""
    return page_pb2.Table(
        box=box.message(),
        row_count=rows,
        column_count=columns,
        cells=[
            page_pb2.Cell(
                row=cell.row,
                column=cell.column,
                row_span=cell.row_span,
                column_span=cell.column_span,
                text=text,
                box=cell.box.message(),
            )
            for cell, text in sorted(cells, key=lambda item: (item[0].row, item[0].column))
        ],
    )


def _within(box: Rectangle, outer: Rectangle) -> bool:
    """The middle of `box` lies in `outer`."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return outer.left <= x < outer.right and outer.top <= y < outer.bottom


def cell_text(words: Sequence[TextWord]) -> str:
    """The words in the order of the file, a new line wherever the next word stands below the last."""
    text = ""
    previous: Rectangle | None = None
    for word in words:
        if previous is not None:
            text += "\n" if word.box.top >= previous.bottom - 0.3 * previous.height else " "
        text += word.text
        previous = word.box
    return text
