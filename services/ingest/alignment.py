"""Tables without lines around their cells: rows whose segments leave the same corridors of white free."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from services.ingest.geometry import Rectangle, union
from services.ingest.grids import GridCell
from services.ingest.placement import Placed, merge_wrapped, place
from services.ingest.rows import Row

# Rows further apart than this many letter heights are no neighbours.
ROW_GAP: Final = 3.0
# So many rows with a single segment may stand between two rows of a table: captions of groups, wrapped cells.
MAX_SINGLE_ROWS: Final = 3
HEAD_GAP: Final = 1.8
MIN_ROWS: Final = 3
MIN_COLUMNS: Final = 2
MIN_FILL: Final = 0.4
# Share of the rows that may cross a corridor: headers over several columns.
CROSSING: Final = 0.12
# A table of two columns is told from two columns of text by its short cells.
SHORT_CELL: Final = 24.0
# Tables of words alone have to be fuller and larger to be believed.
MIN_FIGURES: Final = 0.25
MOSTLY_FIGURES: Final = 0.6
# Share of a column's cells that stand at one edge or middle, within so many points.
ALIGNED: Final = 0.55
ALIGNMENT_SLACK: Final = 3.0
_LIST_MARK: Final = re.compile(r"[^\w\s]|\(?\w{1,3}[.)]")


@dataclass(frozen=True, slots=True)
class AlignedTable:
    """Cells with their texts; `rows` and `columns` count the grid."""

    box: Rectangle
    rows: int
    columns: int
    cells: tuple[tuple[GridCell, str], ...]


def aligned_tables(rows: Sequence[Row]) -> list[AlignedTable]:
    """The tables that aligned segments make, top to bottom."""
    found = (_table(group) for group in _groups(_without_prose(rows)))
    return [table for table in found if table is not None]


def _without_prose(rows: Sequence[Row]) -> list[Row]:
    """Rows without the segments of running text; a row of nothing else stays, empty, to part tables."""
    return [Row(tuple(segment for segment in row.segments if not segment.is_prose)) for row in rows]


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Runs of neighbouring rows, most of them with several segments."""
    group: list[Row] = []
    singles = 0
    above: Row | None = None
    for row in rows:
        if group and (not row.segments or not _near(group[-1], row) or singles > MAX_SINGLE_ROWS):
            yield _trimmed(group)
            group, singles = [], 0
        if not row.segments:
            continue
        singles = 0 if len(row.segments) > 1 else singles + 1
        if group or len(row.segments) > 1:
            group += [above, row] if not group and above and _heads(above, row) else [row]
        above = row
    yield _trimmed(group)


def _heads(above: Row, row: Row) -> bool:
    """A single segment close above a row, right of its first cell: a head over the columns that follow."""
    gap = above.box.bottom + HEAD_GAP * row.height - row.box.top
    return len(above.segments) == 1 and gap >= 0 and above.box.left > row.segments[0].box.right


def _near(row: Row, following: Row) -> bool:
    return following.box.top - row.box.bottom <= ROW_GAP * max(row.height, following.height)


def _trimmed(group: list[Row]) -> list[Row]:
    end = len(group)
    while end and len(group[end - 1].segments) < 2:
        end -= 1
    return group[:end]


def _table(group: list[Row]) -> AlignedTable | None:
    if sum(len(row.segments) > 1 for row in group) < MIN_ROWS:
        return None
    columns = _columns(group)
    if len(columns) < MIN_COLUMNS:
        return None
    header = _header_length(group)
    placed = [place(row, columns, index < header) for index, row in enumerate(group)]
    if not _convincing(placed, len(columns)):
        return None
    return _assemble(merge_wrapped(group, placed, header), columns)


def _columns(group: Sequence[Row]) -> list[tuple[float, float]]:
    """Left and right ends of the columns: what lies between corridors that almost no row crosses."""
    multiple = [row for row in group if len(row.segments) > 1]
    allowed = int(CROSSING * len(multiple))
    edges = sorted(
        edge
        for row in multiple
        for segment in row.segments
        for edge in ((segment.box.left, 1), (segment.box.right, -1))
    )
    columns: list[tuple[float, float]] = []
    depth, start = 0, 0.0
    for x, change in edges:
        if depth <= allowed < depth + change:
            start = x
        elif depth > allowed >= depth + change:
            columns.append((start, x))
        depth += change
    return _joined(columns, 0.4 * median(row.height for row in multiple))


def _joined(columns: Sequence[tuple[float, float]], least: float) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in columns:
        if joined and start - joined[-1][1] < least:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _header_length(group: Sequence[Row]) -> int:
    """How many rows stand before the first that is mostly figures; none when there is no such row early."""
    for index, row in enumerate(group[:8]):
        figures = sum(segment.is_number for segment in row.segments)
        if figures and 2 * figures >= len(row.segments) - 1 and len(row.segments) > 1:
            return index
    return 1


def _convincing(placed: Sequence[Sequence[Placed]], columns: int) -> bool:
    """Filled enough, and with cells too short for columns of prose."""
    cells = [cell for row in placed for cell in row]
    fill = sum(cell.last - cell.first + 1 for cell in cells) / (columns * len(placed))
    lengths = fmean(len(cell.text) for cell in cells)
    if fill < MIN_FILL or (lengths > SHORT_CELL and columns <= 3) or _is_list(placed):
        return False
    figures = sum(map(_has_figures, cells)) / len(cells)
    if figures < MIN_FIGURES and (columns < 3 or len(placed) < 4 or fill < 0.6):
        return False
    if figures >= MOSTLY_FIGURES and fill >= 0.6:
        return True
    aligned = [
        _is_aligned([cell.box for cell in cells if cell.first == cell.last == index]) for index in range(columns)
    ]
    return 3 * sum(aligned) >= 2 * columns


def _is_list(placed: Sequence[Sequence[Placed]]) -> bool:
    """The first column holds nothing but the marks of a list: bullets, numbers, letters."""
    marks = [row[0].text for row in placed if row and row[0].first == 0]
    columns = max(cell.last for row in placed for cell in row) + 1
    return columns == 2 and all(_LIST_MARK.fullmatch(mark) for mark in marks)


def _has_figures(cell: Placed) -> bool:
    return any(map(str.isdigit, cell.text)) and sum(map(str.isalpha, cell.text)) <= 3


def _is_aligned(boxes: Sequence[Rectangle]) -> bool:
    """Most of the boxes have their left ends, right ends or middles at one place."""
    if len(boxes) < 3:
        return True
    edges = ([box.left for box in boxes], [box.right for box in boxes], [(b.left + b.right) / 2 for b in boxes])
    return any(_gathered(places) >= ALIGNED * len(boxes) for places in edges)


def _gathered(places: Sequence[float]) -> int:
    middle = median(places)
    return sum(abs(place - middle) <= ALIGNMENT_SLACK for place in places)


def _assemble(placed: Sequence[Sequence[Placed]], columns: Sequence[tuple[float, float]]) -> AlignedTable:
    cells = tuple(
        (GridCell(index, cell.first, 1, cell.last - cell.first + 1, cell.box), cell.text)
        for index, row in enumerate(placed)
        for cell in row
    )
    return AlignedTable(union(cell.box for cell, _ in cells), len(placed), len(columns), cells)
