"""The straight horizontal and vertical lines that a page draws: strokes, thin boxes and the edges of boxes."""

import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import pypdfium2.raw as c

from services.ingest.geometry import Rectangle
from services.ingest.pdf import OpenPage

# A box at most so thick (points) is a line.
THIN: Final = 3.0
# Lines closer than this are one; ends closer than this touch.
SNAP: Final = 2.5
MIN_LENGTH: Final = 6.0
# A drawing with more parts than this holds no table that could be found in time.
MAX_OBJECTS: Final = 6_000
MAX_SEGMENTS: Final = 12_000
MAX_DEPTH: Final = 4
WHITE: Final = 250

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Final[Matrix] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class Ruling(NamedTuple):
    """A line: `at` is its y if horizontal, its x if vertical; `start` and `end` are its ends along the other axis."""

    at: float
    start: float
    end: float


@dataclass(slots=True)
class Rulings:
    """The lines of a page as displayed, in points from its upper left corner."""

    horizontal: list[Ruling]
    vertical: list[Ruling]


def rulings(page: OpenPage) -> Rulings:
    """All lines of the page, those of one place merged."""
    found = Rulings([], [])
    for box in _boxes(page):
        _add(found, box)
    return Rulings(_merged(found.horizontal), _merged(found.vertical))


def _add(found: Rulings, box: Rectangle) -> None:
    if box.height <= THIN and box.width >= MIN_LENGTH:
        found.horizontal.append(Ruling((box.top + box.bottom) / 2, box.left, box.right))
    elif box.width <= THIN and box.height >= MIN_LENGTH:
        found.vertical.append(Ruling((box.left + box.right) / 2, box.top, box.bottom))
    elif box.width > THIN and box.height > THIN:
        found.horizontal += [Ruling(box.top, box.left, box.right), Ruling(box.bottom, box.left, box.right)]
        found.vertical += [Ruling(box.left, box.top, box.bottom), Ruling(box.right, box.top, box.bottom)]


def _merged(lines: Iterable[Ruling]) -> list[Ruling]:
    """Lines of nearly the same place put on one place, and joined where they touch."""
    merged: list[Ruling] = []
    for group in _by_place(sorted(lines)):
        at = sum(line.at for line in group) / len(group)
        for line in sorted(group, key=lambda line: line.start):
            if merged and merged[-1].at == at and line.start <= merged[-1].end + SNAP:
                merged[-1] = Ruling(at, merged[-1].start, max(merged[-1].end, line.end))
            else:
                merged.append(Ruling(at, line.start, line.end))
    return [line for line in merged if line.end - line.start >= MIN_LENGTH]


def _by_place(lines: list[Ruling]) -> Iterator[list[Ruling]]:
    group: list[Ruling] = []
    for line in lines:
        if group and line.at - group[0].at > SNAP:
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _boxes(page: OpenPage) -> Iterator[Rectangle]:
    """Each straight part of each visible path as a box without thickness, and each rectangle as its box."""
    width, height = page.frame.width, page.frame.height
    segments = MAX_SEGMENTS
    for path, matrix in _paths(page):
        segments -= c.FPDFPath_CountSegments(path)
        if segments < 0:
            return
        if _is_visible(path):
            for box in _parts(path, matrix):
                shown = page.frame.box(*box)
                if shown.width < 0.95 * width or shown.height < 0.95 * height:
                    yield shown


def _paths(page: OpenPage) -> Iterator[tuple[Any, Matrix]]:
    for index in range(min(c.FPDFPage_CountObjects(page.page), MAX_OBJECTS)):
        yield from _paths_in(c.FPDFPage_GetObject(page.page, index), IDENTITY, 0)


def _paths_in(item: Any, outer: Matrix, depth: int) -> Iterator[tuple[Any, Matrix]]:
    kind = c.FPDFPageObj_GetType(item)
    if kind == c.FPDF_PAGEOBJ_PATH:
        yield item, _product(_matrix(item), outer)
    elif kind == c.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
        inner = _product(_matrix(item), outer)
        for index in range(min(c.FPDFFormObj_CountObjects(item), MAX_OBJECTS)):
            yield from _paths_in(c.FPDFFormObj_GetObject(item, index), inner, depth + 1)


def _matrix(item: Any) -> Matrix:
    matrix = c.FS_MATRIX()
    if not c.FPDFPageObj_GetMatrix(item, matrix):
        return IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _product(first: Matrix, then: Matrix) -> Matrix:
    if then == IDENTITY:
        return first
    (a, b, c_, d, e, f), (p, q, r, s, t, u) = first, then
    return a * p + b * r, a * q + b * s, c_ * p + d * r, c_ * q + d * s, e * p + f * r + t, e * q + f * s + u


def _is_visible(path: Any) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not c.FPDFPath_GetDrawMode(path, fill, stroke):
        return False
    if stroke.value:
        return True
    return bool(fill.value) and not _is_white(path)


def _is_white(path: Any) -> bool:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not c.FPDFPageObj_GetFillColor(path, red, green, blue, alpha):
        return False
    return min(red.value, green.value, blue.value) >= WHITE or alpha.value == 0


Point = tuple[float, float]


def _parts(path: Any, matrix: Matrix) -> Iterator[tuple[float, float, float, float]]:
    """The rectangles and the axis-parallel strokes of a path, as opposite corners in user space."""
    for points in _subpaths(path, matrix):
        if len(points) in (4, 5) and _is_rectangle(points):
            yield *points[0], *points[2]
            continue
        for (x0, y0), (x1, y1) in pairwise(points):
            if abs(x1 - x0) <= 1 or abs(y1 - y0) <= 1:
                yield x0, y0, x1, y1


def _is_rectangle(points: list[Point]) -> bool:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[:4]
    sideways = abs(ay - by) < 1 and abs(bx - cx) < 1 and abs(cy - dy) < 1 and abs(dx - ax) < 1
    return sideways or (abs(ax - bx) < 1 and abs(by - cy) < 1 and abs(cx - dx) < 1 and abs(dy - ay) < 1)


def _subpaths(path: Any, matrix: Matrix) -> Iterator[list[Point]]:
    a, b, c_, d, e, f = matrix
    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[Point] = []
    for index in range(c.FPDFPath_CountSegments(path)):
        segment = c.FPDFPath_GetPathSegment(path, index)
        kind = c.FPDFPathSegment_GetType(segment)
        if kind == c.FPDF_SEGMENT_BEZIERTO:
            points = []
            continue
        if kind == c.FPDF_SEGMENT_MOVETO and points:
            yield points
            points = []
        if c.FPDFPathSegment_GetPoint(segment, x, y):
            points.append((a * x.value + c_ * y.value + e, b * x.value + d * y.value + f))
        if c.FPDFPathSegment_GetClose(segment) and points:
            yield [*points, points[0]]
            points = points[:1]
    if len(points) > 1:
        yield points
