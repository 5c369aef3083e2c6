"""Lines that PDFium joined across the gutter between two columns of prose, parted again."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Final

from services.ingest.lines import TextLine, split_line
from services.ingest.pdf import OpenPage

# A table has gaps in line too; its cells are short. Prose has this many characters a side and line, on average.
PROSE_CHARACTERS: Final = 22
PROSE_DIGITS: Final = 0.2
MIN_LINES: Final = 4
MIN_GUTTER: Final = 4.0


def part_columns(page: OpenPage, lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines, those of every run that crosses a gutter replaced by the left column's and then the right's."""
    parted: list[TextLine] = []
    for run, gutter in _runs(lines):
        parted.extend(_part(page, run, gutter) if gutter else run)
    return parted


def _runs(lines: Sequence[TextLine]) -> Iterator[tuple[list[TextLine], tuple[float, float] | None]]:
    """Stretches of lines with the gutter that all of them leave free, or None."""
    run: list[TextLine] = []
    gutter: tuple[float, float] | None = None
    for line in lines:
        narrowed = _narrow(line, gutter)
        if run and narrowed is None and (gutter is not None or line.gaps):
            yield run, gutter
            run, narrowed = [], _narrow(line, None)
        run.append(line)
        gutter = narrowed
    if run:
        yield run, gutter


def _narrow(line: TextLine, gutter: tuple[float, float] | None) -> tuple[float, float] | None:
    """The part of `gutter` that `line` leaves free; with no gutter yet, the widest gap of the line."""
    if gutter is None:
        return max(line.gaps, key=lambda gap: gap[1] - gap[0], default=None)
    left, right = gutter
    if line.box.right <= left + MIN_GUTTER:
        return max(left, line.box.right), right
    if line.box.left >= right - MIN_GUTTER:
        return left, min(right, line.box.left)
    for start, end in line.gaps:
        common = (max(left, start), min(right, end))
        if common[1] - common[0] >= MIN_GUTTER:
            return common
    return None


def _part(page: OpenPage, run: list[TextLine], gutter: tuple[float, float]) -> list[TextLine]:
    x = (gutter[0] + gutter[1]) / 2
    crossing = [line for line in run if line.gaps and line.box.left < x < line.box.right]
    if len(crossing) < MIN_LINES or fmean(len(line.text) for line in crossing) < 2 * PROSE_CHARACTERS:
        return run
    cut = set(map(id, crossing))
    halves = [half for line in run for half in (split_line(page, line, x) if id(line) in cut else [line])]
    left = [half for half in halves if half.box.right <= x]
    right = [half for half in halves if half.box.right > x]
    if not (_is_prose(left) and _is_prose(right)):
        return run
    return left + part_columns(page, right)


def _is_prose(lines: list[TextLine]) -> bool:
    text = "".join(line.text for line in lines)
    digits = sum(map(str.isdigit, text))
    return len(text) >= PROSE_CHARACTERS * len(lines) and digits <= PROSE_DIGITS * len(text)
