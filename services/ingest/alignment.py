"""Tables without lines around their cells: rows whose segments leave the same corridors of white free."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from services.ingest.geometry import Rectangle, union
from services.ingest.grids import GridCell
from services.ingest.rows import Row, Segment

# Rows further apart than this many letter heights are no neighbours.
ROW_GAP: Final = 3.0
# So many rows with a single segment may stand between two rows of a table: captions of groups, wrapped cells.
MAX_SINGLE_ROWS: Final = 3
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
# White above a wrapped line, and between the halves of a label and figures set at its middle, in letter heights.
WRAP_GAP: Final = 1.2
OVERLAP_GAP: Final = 0.25
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
    for row in rows:
        if group and (not row.segments or not _near(group[-1], row) or singles > MAX_SINGLE_ROWS):
            yield _trimmed(group)
            group, singles = [], 0
        if not row.segments:
            continue
        singles = 0 if len(row.segments) > 1 else singles + 1
        if group or len(row.segments) > 1:
            group.append(row)
    yield _trimmed(group)


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
    placed = [_place(row, columns, index < header) for index, row in enumerate(group)]
    if not _convincing(placed, len(columns)):
        return None
    return _assemble(_merge_wrapped(group, placed, header), columns)


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


@dataclass(frozen=True, slots=True)
class _Placed:
    """Segments, or parts of them, over the columns from `first` to `last`."""

    first: int
    last: int
    text: str
    box: Rectangle


def _place(row: Row, columns: Sequence[tuple[float, float]], in_header: bool) -> list[_Placed]:
    placed: list[_Placed] = []
    for segment in row.segments:
        first, last = _reach(segment.box, columns)
        if first == last or in_header or len(row.segments) == 1:
            placed.append(_Placed(first, last, segment.text, segment.box))
        else:
            placed.extend(_split(segment, columns))
    return _unique(placed)


def _reach(box: Rectangle, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    touched = [index for index, (start, end) in enumerate(columns) if min(box.right, end) - max(box.left, start) > 1]
    if touched:
        return touched[0], touched[-1]
    nearest = min(range(len(columns)), key=lambda index: abs(sum(columns[index]) - box.left - box.right))
    return nearest, nearest


def _split(segment: Segment, columns: Sequence[tuple[float, float]]) -> Iterator[_Placed]:
    parts: dict[int, list[str]] = {}
    boxes: dict[int, list[Rectangle]] = {}
    for word in segment.words:
        first, last = _reach(word.box, columns)
        middle = (word.box.left + word.box.right) / 2
        column = min(range(first, last + 1), key=lambda index: abs(sum(columns[index]) / 2 - middle))
        parts.setdefault(column, []).append(word.text)
        boxes.setdefault(column, []).append(word.box)
    for column, texts in parts.items():
        yield _Placed(column, column, " ".join(texts), union(boxes[column]))


def _unique(placed: Sequence[_Placed]) -> list[_Placed]:
    """Segments that share a column put into one cell."""
    merged: list[_Placed] = []
    for cell in sorted(placed, key=lambda cell: (cell.first, cell.box.left)):
        if merged and cell.first <= merged[-1].last:
            other = merged.pop()
            cell = _Placed(
                other.first, max(other.last, cell.last), f"{other.text} {cell.text}", union((other.box, cell.box))
            )
        merged.append(cell)
    return merged


def _convincing(placed: Sequence[Sequence[_Placed]], columns: int) -> bool:
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
    aligned = [_is_aligned([cell.box for cell in cells if cell.first == cell.last == index]) for index in range(columns)]
    return 3 * sum(aligned) >= 2 * columns


def _is_list(placed: Sequence[Sequence[_Placed]]) -> bool:
    """The first column holds nothing but the marks of a list: bullets, numbers, letters."""
    marks = [row[0].text for row in placed if row and row[0].first == 0]
    columns = max(cell.last for row in placed for cell in row) + 1
    return columns == 2 and all(_LIST_MARK.fullmatch(mark) for mark in marks)


def _has_figures(cell: _Placed) -> bool:
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


def _merge_wrapped(group: Sequence[Row], placed: Sequence[list[_Placed]], header: int) -> list[list[_Placed]]:
    """Rows that only go on with the cells above put to them."""
    merged = [list(placed[0])]
    for index in range(1, len(placed)):
        gap = (group[index].box.top - group[index - 1].box.bottom) / group[index].height
        if _goes_on(merged[-1], placed[index], gap, index < header):
            merged[-1] = _appended(merged[-1], placed[index])
        else:
            merged.append(list(placed[index]))
    return merged


def _goes_on(above: Sequence[_Placed], row: Sequence[_Placed], gap: float, in_header: bool) -> bool:
    """The row continues the one above; `gap` is the white between them in letter heights."""
    if gap > WRAP_GAP:
        return False
    upper = {(cell.first, cell.last) for cell in above}
    lower = {(cell.first, cell.last) for cell in row}
    if gap < OVERLAP_GAP and not {first for first, _ in upper} & {first for first, _ in lower}:
        return True
    if in_header:
        return all(first == last for first, last in upper | lower) and bool(upper & lower)
    if len(row) == 1 and row[0].first == 0:
        return row[0].text[0].islower()
    return len(above) == 1 and above[0].first == row[0].first == 0 and row[0].text[0].islower()


def _appended(above: Sequence[_Placed], row: Sequence[_Placed]) -> list[_Placed]:
    cells = {cell.first: cell for cell in above}
    for cell in row:
        upper = cells.get(cell.first)
        cells[cell.first] = (
            _Placed(upper.first, upper.last, f"{upper.text}\n{cell.text}", union((upper.box, cell.box))) if upper else cell
        )
    return sorted(cells.values(), key=lambda cell: cell.first)


def _assemble(placed: Sequence[Sequence[_Placed]], columns: Sequence[tuple[float, float]]) -> AlignedTable:
    cells = tuple(
        (GridCell(index, cell.first, 1, cell.last - cell.first + 1, cell.box), cell.text)
        for index, row in enumerate(placed)
        for cell in row
    )
    return AlignedTable(union(cell.box for cell, _ in cells), len(placed), len(columns), cells)
