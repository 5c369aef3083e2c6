"""The lines of a page in the order of the file, with their places."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import pypdfium2.raw as c

from services.ingest.characters import LINE_END_HYPHEN, clean
from services.ingest.geometry import Rectangle, union
from services.ingest.pdf import OpenPage

# A gap of more than this many line heights is no space between words.
WIDE_GAP: Final = 1.2
_BREAK: Final = re.compile("(\r\n|\n|\ufffe)")
_WORD: Final = re.compile(r"\S+")


class TextLine(NamedTuple):
    """A line: its text, its place, the wide gaps in it (left and right ends), and whether its last word goes on."""

    text: str
    box: Rectangle
    gaps: tuple[tuple[float, float], ...] = ()
    hyphenated: bool = False
    raw: str = ""
    start: int = 0

    @property
    def is_vertical(self) -> bool:
        """Runs from top to bottom or the other way."""
        left, top, right, bottom = self.box
        return bottom - top > 2 * (right - left) and len(self.text) > 2


class TextWord(NamedTuple):
    """A run of characters without white space, and its place."""

    text: str
    box: Rectangle


def text_lines(page: OpenPage) -> list[TextLine]:
    """The visible lines in the order of the file; text outside the page as displayed is left out."""
    width, height = page.frame.width, page.frame.height
    return [
        line
        for line in _all_lines(page)
        if line.box.right > 0 and line.box.left < width and line.box.bottom > 0 and line.box.top < height
    ]


def _all_lines(page: OpenPage) -> Iterator[TextLine]:
    text = page.characters()
    to_index = _index_of(page, text)
    position = 0
    parts = _BREAK.split(text)
    for body, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        if body and not body.isspace():
            start = to_index(position)
            if boxes := page.rectangles(start, len(body)):
                box = boxes[0] if len(boxes) == 1 else union(boxes)
                yield TextLine(clean(body).strip(), box, _gaps(boxes), end == LINE_END_HYPHEN, body, start)
        position += len(body) + len(end)


def _index_of(page: OpenPage, text: str) -> "_IndexOf":
    return _IndexOf(page, c.FPDFText_CountChars(page.text) == len(text))


@dataclass(frozen=True, slots=True)
class _IndexOf:
    """From places in the text to PDFium's character indices, which also count characters without text."""

    page: OpenPage
    identical: bool

    def __call__(self, position: int) -> int:
        if self.identical:
            return position
        index: int = c.FPDFText_GetCharIndexFromTextIndex(self.page.text, position)
        return max(index, 0)


def _gaps(boxes: list[Rectangle]) -> tuple[tuple[float, float], ...]:
    if len(boxes) < 2:
        return ()
    return tuple(
        (left.right, right.left)
        for left, right in pairwise(boxes)
        if right.left - left.right > WIDE_GAP * max(left.height, right.height)
    )


def split_line(page: OpenPage, line: TextLine, x: float) -> list[TextLine]:
    """The words of `line` left and right of `x` as lines of their own; an empty side is left out."""
    sides: tuple[list[TextWord], list[TextWord]] = ([], [])
    for word in line_words(page, line):
        sides[(word.box.left + word.box.right) / 2 > x].append(word)
    parts = []
    for side in sides:
        if side:
            box = union(word.box for word in side)
            hyphenated = line.hyphenated and side[-1] is (sides[1] or sides[0])[-1]
            parts.append(TextLine(" ".join(word.text for word in side), box, (), hyphenated))
    return parts


def join_rows(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines, those put together that PDFium broke in the middle, after a superscript for one."""
    joined: list[TextLine] = []
    for line in lines:
        if joined and _goes_on(joined[-1], line):
            line = _join(joined.pop(), line)
        joined.append(line)
    return joined


def _goes_on(line: TextLine, following: TextLine) -> bool:
    (left, top, right, bottom), other = line.box, following.box
    height = min(bottom - top, other.bottom - other.top)
    gap = other.left - right
    in_row = min(bottom, other.bottom) - max(top, other.top) > 0.5 * height
    upright = right - left > bottom - top or len(line.text) < 3
    return upright and in_row and -0.3 * height <= gap <= WIDE_GAP * max(bottom - top, other.bottom - other.top)


def _join(line: TextLine, following: TextLine) -> TextLine:
    space = " " if following.box.left - line.box.right > 0.05 * line.box.height else ""
    return TextLine(
        line.text + space + following.text,
        union((line.box, following.box)),
        line.gaps + following.gaps,
        following.hyphenated,
    )


def line_words(page: OpenPage, line: TextLine) -> Iterator[TextWord]:
    """The words of `line`, in its order."""
    for match in _WORD.finditer(line.raw):
        boxes = page.rectangles(line.start + match.start(), len(match.group()))
        word = clean(match.group())
        if boxes and word:
            yield TextWord(word, boxes[0] if len(boxes) == 1 else union(boxes))
