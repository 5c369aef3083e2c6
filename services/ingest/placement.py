"""The segments of rows put into the columns of a table, and wrapped lines put together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.ingest.geometry import Rectangle, union
from services.ingest.rows import Row, Segment

# White above a wrapped line, and between the halves of a label and figures set at its middle, in letter heights.
WRAP_GAP: Final = 1.2
OVERLAP_GAP: Final = 0.25


@dataclass(frozen=True, slots=True)
class Placed:
    """Text over the columns from `first` to `last`."""

    first: int
    last: int
    text: str
    box: Rectangle


def place(row: Row, columns: Sequence[tuple[float, float]], in_header: bool) -> list[Placed]:
    """The cells of `row`; a segment over several columns is one cell in a header and several below it."""
    placed: list[Placed] = []
    for segment in row.segments:
        first, last = _reach(segment.box, columns)
        if first == last or in_header or len(row.segments) == 1:
            placed.append(Placed(first, last, segment.text, segment.box))
        else:
            placed.extend(_split(segment, columns))
    return _unique(placed)


def _reach(box: Rectangle, columns: Sequence[tuple[float, float]]) -> tuple[int, int]:
    touched = [index for index, (start, end) in enumerate(columns) if min(box.right, end) - max(box.left, start) > 1]
    if touched:
        return touched[0], touched[-1]
    nearest = min(range(len(columns)), key=lambda index: abs(sum(columns[index]) - box.left - box.right))
    return nearest, nearest


def _split(segment: Segment, columns: Sequence[tuple[float, float]]) -> Iterator[Placed]:
    parts: dict[int, list[str]] = {}
    boxes: dict[int, list[Rectangle]] = {}
    for word in segment.words:
        first, last = _reach(word.box, columns)
        middle = (word.box.left + word.box.right) / 2
        column = min(range(first, last + 1), key=lambda index: abs(sum(columns[index]) / 2 - middle))
        parts.setdefault(column, []).append(word.text)
        boxes.setdefault(column, []).append(word.box)
    for column, texts in parts.items():
        yield Placed(column, column, " ".join(texts), union(boxes[column]))


def _unique(placed: Sequence[Placed]) -> list[Placed]:
    """Segments that share a column put into one cell."""
    merged: list[Placed] = []
    for cell in sorted(placed, key=lambda cell: (cell.first, cell.box.left)):
        if merged and cell.first <= merged[-1].last:
            other = merged.pop()
            cell = Placed(
                other.first, max(other.last, cell.last), f"{other.text} {cell.text}", union((other.box, cell.box))
            )
        merged.append(cell)
    return merged


def merge_wrapped(group: Sequence[Row], placed: Sequence[list[Placed]], header: int) -> list[list[Placed]]:
    """Rows that only go on with the cells above put to them."""
    merged = [list(placed[0])]
    for index in range(1, len(placed)):
        gap = (group[index].box.top - group[index - 1].box.bottom) / group[index].height
        if _goes_on(merged[-1], placed[index], gap, index < header):
            merged[-1] = _appended(merged[-1], placed[index])
        else:
            merged.append(list(placed[index]))
    return merged


def _goes_on(above: Sequence[Placed], row: Sequence[Placed], gap: float, in_header: bool) -> bool:
    """The row continues the one above; `gap` is the white between them in letter heights."""
    if gap > WRAP_GAP:
        return False
    upper = {(cell.first, cell.last) for cell in above}
    lower = {(cell.first, cell.last) for cell in row}
    if gap < OVERLAP_GAP and not _covered(above) & _covered(row):
        return True
    if any(first != last for first, last in upper | lower):
        return False
    if in_header:
        return bool(upper & lower)
    starts_low = row[0].first == 0 and row[0].text[0].islower()
    return starts_low and (len(row) == 1 or (len(above) == 1 and above[0].first == 0))


def _covered(row: Sequence[Placed]) -> set[int]:
    return {column for cell in row for column in range(cell.first, cell.last + 1)}


def _appended(above: Sequence[Placed], row: Sequence[Placed]) -> list[Placed]:
    cells = {cell.first: cell for cell in above}
    for cell in row:
        upper = cells.get(cell.first)
        cells[cell.first] = (
            Placed(upper.first, upper.last, f"{upper.text}\n{cell.text}", union((upper.box, cell.box)))
            if upper
            else cell
        )
    return sorted(cells.values(), key=lambda cell: cell.first)
