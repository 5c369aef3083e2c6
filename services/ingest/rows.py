"""The words of a page as rows, and the words of a row that stand close together as segments."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Final

from services.ingest.geometry import Rectangle, union
from services.ingest.lines import TextWord

# A gap of this many letter heights parts cells; spaces of justified text stay below it.
CELL_GAP: Final = 1.05
# A segment so long, with so few digits, is a line of prose.
PROSE_WORDS: Final = 8
# Two figures side by side are two cells at any space, unless they may be groups of thousands.
FIGURE_GAP: Final = 0.3
_THOUSANDS: Final = re.compile(r"[-–(]?\d{1,3} \d{3}\D{0,2}")
PROSE_CHARACTERS: Final = 45
PROSE_DIGITS: Final = 0.12


@dataclass(frozen=True)
class Segment:
    """Words of one row without a wide gap between them, from left to right."""

    words: tuple[TextWord, ...]

    @cached_property
    def box(self) -> Rectangle:
        """The place of all words."""
        return union(word.box for word in self.words)

    @cached_property
    def text(self) -> str:
        """The words parted by spaces."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def is_prose(self) -> bool:
        """Reads like a line of running text and not like a cell."""
        return is_prose(self.text)

    @cached_property
    def is_number(self) -> bool:
        """Holds figures rather than letters: an amount, a share, a year, a dash for nothing."""
        letters = sum(map(str.isalpha, self.text))
        return letters * 2 <= sum(map(str.isdigit, self.text)) or self.text in "-–—.…"


@dataclass(frozen=True)
class Row:
    """Segments at one height, from left to right."""

    segments: tuple[Segment, ...]

    @cached_property
    def box(self) -> Rectangle:
        """The place of all segments."""
        return union(segment.box for segment in self.segments)

    @cached_property
    def height(self) -> float:
        """Usual height of the words, in points."""
        return median(word.box.height for segment in self.segments for word in segment.words)


def is_prose(text: str) -> bool:
    """So long, and with so few figures, as lines of running text are."""
    long = len(text) >= PROSE_CHARACTERS and text.count(" ") >= PROSE_WORDS - 1
    return long and sum(map(str.isdigit, text)) <= PROSE_DIGITS * len(text)


def rows_of(words: Iterable[TextWord]) -> list[Row]:
    """The upright words as rows from top to bottom."""
    groups: list[list[TextWord]] = []
    top = bottom = 0.0
    for word in sorted(words, key=lambda word: word.box.top + word.box.bottom):
        middle = (word.box.top + word.box.bottom) / 2
        if len(word.text) > 2 and word.box.height > 2.5 * word.box.width:
            continue
        if groups and top <= middle <= bottom and middle <= _middle(groups[-1]) + 0.5 * (bottom - top):
            groups[-1].append(word)
            if len(groups[-1]) < 4:
                bottom = max(bottom, word.box.bottom) if word.box.top > top + 1 else bottom
        else:
            groups.append([word])
            top, bottom = word.box.top, word.box.bottom
    return [Row(tuple(_segments(sorted(group, key=lambda word: word.box.left)))) for group in groups]


def _middle(group: Sequence[TextWord]) -> float:
    return (group[0].box.top + group[0].box.bottom) / 2


def _segments(words: Sequence[TextWord]) -> list[Segment]:
    height = median([word.box.bottom - word.box.top for word in words])
    groups = [[words[0]]]
    for word in words[1:]:
        group = groups[-1]
        gap = word.box.left - max(group[-1].box.right, group[-2 % len(group)].box.right)
        if gap > CELL_GAP * height or (gap > FIGURE_GAP * height and _are_figures(group[-1].text, word.text)):
            groups.append([word])
        else:
            group.append(word)
    return [Segment(tuple(group)) for group in groups]


def _are_figures(first: str, second: str) -> bool:
    return _is_figure(first) and _is_figure(second) and not _THOUSANDS.fullmatch(f"{first} {second}")


def _is_figure(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return 2 * digits >= len(text) and not any(map(str.isalpha, text))
