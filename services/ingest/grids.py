"""Tables whose cells lines enclose: the grid that crossing lines make, with merged cells."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.ingest.geometry import Rectangle
from services.ingest.rulings import SNAP, Ruling, Rulings

TOUCH: Final = 3.0
MIN_CELL: Final = 3.0
MAX_LINES: Final = 600
MAX_PLACES: Final = 20_000
# Horizontal lines that reach so far beyond the last vertical one enclose a column there.
OPEN_SIDE: Final = 12.0


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell of a grid: the place of its upper left corner, how far it reaches, and where it stands."""

    row: int
    column: int
    row_span: int
    column_span: int
    box: Rectangle

    def places(self) -> Iterator[tuple[int, int]]:
        """Row and column of every place of the grid that it covers."""
        for row in range(self.row, self.row + self.row_span):
            for column in range(self.column, self.column + self.column_span):
                yield row, column


@dataclass(frozen=True, slots=True)
class Grid:
    """Places of the lines between rows (y) and columns (x), outer ones included, and the cells."""

    ys: tuple[float, ...]
    xs: tuple[float, ...]
    cells: tuple[GridCell, ...]

    @property
    def box(self) -> Rectangle:
        """The outer edge."""
        return Rectangle(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])


def without_empty(grid: Grid, words: Iterable[Rectangle]) -> Grid:
    """The grid without the rows and columns that no word stands in: the white between double lines, margins."""
    middles = [((box.left + box.right) / 2, (box.top + box.bottom) / 2) for box in words]
    columns = sorted({bisect_right(grid.xs, x) - 1 for x, _ in middles} & set(range(len(grid.xs) - 1)))
    rows = sorted({bisect_right(grid.ys, y) - 1 for _, y in middles} & set(range(len(grid.ys) - 1)))
    if not rows or not columns:
        return Grid(grid.ys, grid.xs, ())
    cells = []
    for cell in grid.cells:
        top, bottom = bisect_left(rows, cell.row), bisect_left(rows, cell.row + cell.row_span)
        left, right = bisect_left(columns, cell.column), bisect_left(columns, cell.column + cell.column_span)
        if top < bottom and left < right:
            cells.append(GridCell(top, left, bottom - top, right - left, cell.box))
    ys = (*(grid.ys[row] for row in rows), grid.ys[rows[-1] + 1])
    xs = (*(grid.xs[column] for column in columns), grid.xs[columns[-1] + 1])
    return Grid(ys, xs, tuple(cells))


def grids(lines: Rulings) -> list[Grid]:
    """Every group of crossing lines that encloses at least two cells."""
    if len(lines.horizontal) + len(lines.vertical) > MAX_LINES:
        return []
    found = (_grid(horizontal, vertical) for horizontal, vertical in _connected(lines))
    return [grid for grid in found if grid is not None and len(grid.cells) > 1]


def _connected(lines: Rulings) -> Iterator[tuple[list[Ruling], list[Ruling]]]:
    """Groups of lines that touch one another, directly or by way of others."""
    crossings = [
        (h, v)
        for h, across in enumerate(lines.horizontal)
        for v, down in enumerate(lines.vertical)
        if across.start - TOUCH <= down.at <= across.end + TOUCH and down.start - TOUCH <= across.at <= down.end + TOUCH
    ]
    group_of = _components(len(lines.horizontal), crossings)
    for group in sorted({group_of[h] for h, _ in crossings}):
        members = [(h, v) for h, v in crossings if group_of[h] == group]
        yield (
            [lines.horizontal[h] for h in sorted({h for h, _ in members})],
            [lines.vertical[v] for v in sorted({v for _, v in members})],
        )


def _components(count: int, crossings: Sequence[tuple[int, int]]) -> list[int]:
    """A number for each horizontal line, the same for those that a chain of vertical ones connects."""
    group_of = list(range(count))
    first_of: dict[int, int] = {}
    for h, v in crossings:
        _unite(group_of, first_of.setdefault(v, h), h)
    return [_root(group_of, h) for h in range(count)]


def _root(parents: list[int], item: int) -> int:
    while parents[item] != item:
        parents[item] = item = parents[parents[item]]
    return item


def _unite(parents: list[int], first: int, second: int) -> None:
    parents[_root(parents, second)] = _root(parents, first)


def _places(lines: Sequence[Ruling]) -> tuple[float, ...]:
    places: list[float] = []
    for line in sorted(lines):
        if not places or line.at - places[-1] > MIN_CELL:
            places.append(line.at)
    return tuple(places)


def _grid(horizontal: Sequence[Ruling], vertical: Sequence[Ruling]) -> Grid | None:
    vertical = [*vertical, *_open_sides(horizontal, vertical)]
    ys, xs = _places(horizontal), _places(vertical)
    if len(ys) < 2 or len(xs) < 2:
        return None
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows * columns > MAX_PLACES:
        return None
    down, across = [_lines_at(vertical, x) for x in xs], [_lines_at(horizontal, y) for y in ys]
    parents = list(range(rows * columns))
    for row in range(rows):
        for column in range(columns):
            here = row * columns + column
            if column + 1 < columns and not _divided(down[column + 1], ys[row], ys[row + 1]):
                _unite(parents, here, here + 1)
            if row + 1 < rows and not _divided(across[row + 1], xs[column], xs[column + 1]):
                _unite(parents, here, here + columns)
    return Grid(ys, xs, tuple(_cells(parents, ys, xs)))


def _open_sides(horizontal: Sequence[Ruling], vertical: Sequence[Ruling]) -> Iterator[Ruling]:
    """The sides of a table without outer vertical lines, where its horizontal ones end together."""
    top, bottom = min(line.at for line in horizontal), max(line.at for line in horizontal)
    outer = min(line.at for line in vertical), max(line.at for line in vertical)
    left, right = min(line.start for line in horizontal), max(line.end for line in horizontal)
    if left < outer[0] - OPEN_SIDE and sum(line.start < left + TOUCH for line in horizontal) > 1:
        yield Ruling(left, top, bottom)
    if right > outer[1] + OPEN_SIDE and sum(line.end > right - TOUCH for line in horizontal) > 1:
        yield Ruling(right, top, bottom)


def _lines_at(lines: Sequence[Ruling], at: float) -> list[Ruling]:
    return [line for line in lines if abs(line.at - at) <= MIN_CELL]


def _divided(lines: Sequence[Ruling], start: float, end: float) -> bool:
    """The lines, all at one place, cover most of the stretch from `start` to `end`."""
    covered = sum(max(0.0, min(line.end, end) - max(line.start, start)) for line in lines)
    return covered >= 0.6 * (end - start) - SNAP


def _cells(parents: list[int], ys: Sequence[float], xs: Sequence[float]) -> Iterator[GridCell]:
    """The rectangles around united places; an L-shaped union comes as single places."""
    columns = len(xs) - 1
    members: dict[int, list[int]] = {}
    for place in range(len(parents)):
        members.setdefault(_root(parents, place), []).append(place)
    for places in members.values():
        rows, cols = {p // columns for p in places}, {p % columns for p in places}
        if len(rows) * len(cols) == len(places):
            yield _cell(min(rows), min(cols), len(rows), len(cols), ys, xs)
        else:
            yield from (_cell(p // columns, p % columns, 1, 1, ys, xs) for p in places)


def _cell(row: int, column: int, row_span: int, column_span: int, ys: Sequence[float], xs: Sequence[float]) -> GridCell:
    box = Rectangle(xs[column], ys[row], xs[column + column_span], ys[row + row_span])
    return GridCell(row, column, row_span, column_span, box)
