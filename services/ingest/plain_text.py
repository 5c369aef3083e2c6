"""Plain text as pages of bounded size, so that a long text is read and cited like any other document.

Pages of text have no size and their lines no place: nobody has laid them out.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pagemesh.results.v1 import page_pb2
from services.ingest.language import detect_language

ENGINE: Final = "plain-text 1"
PAGE_CHARACTERS: Final = 4_000
# What ends a page, the best first: the end of a paragraph, of a line, of a sentence, of a word.
_ENDS: Final = (
    re.compile(r"\n[^\S\n]*\n+"),
    re.compile(r"\n"),
    re.compile(r"[.!?\u0964\u3002\uff01\uff1f][\"'\u2019\u201d)\]]*(?:\s+|(?<=[\u3002\uff01\uff1f]))"),
    re.compile(r"\s+"),
)
_LONGEST_CLUSTER: Final = 16
_CONTROLS: Final = {
    **dict.fromkeys((*range(9), 0x0B, *range(0x0E, 0x20), 0x7F, 0xFEFF)),
    0x0C: "\n\n",
}


def read_text(path: str | Path) -> str:
    """The text, with one kind of line end and without control characters."""
    raw = Path(path).read_bytes().decode("utf-8", "replace")
    return raw.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def split(text: str, most: int = PAGE_CHARACTERS) -> list[str]:
    """The text in pieces of at most so many characters, which together are the text; one at least."""
    pieces, start = [], 0
    while len(text) - start > most:
        end = _end(text, start, start + most)
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]


def _end(text: str, start: int, latest: int) -> int:
    """Where a piece ends best: in its second half, so that pieces do not get small."""
    earliest = start + (latest - start) // 2
    for pattern in _ENDS:
        ends = [match.end() for match in pattern.finditer(text, earliest, latest)]
        if ends:
            return ends[-1]
    return _before_cluster(text, latest)


def _before_cluster(text: str, at: int) -> int:
    """The place, or the one before the character that would be parted from its marks there."""
    for place in range(at, at - _LONGEST_CLUSTER, -1):
        joined = unicodedata.category(text[place]).startswith("M") or "\u200d" in text[place - 1 : place + 1]
        if not joined:
            return place
    return at


def text_pages(pieces: list[str], numbers: Iterable[int]) -> Iterator[page_pb2.Page]:
    """Pages by their numbers, from 1."""
    for number in numbers:
        yield page_pb2.Page(
            number=number,
            source=page_pb2.PAGE_SOURCE_TEXT,
            language=detect_language(pieces[number - 1]),
            text=pieces[number - 1].strip("\n"),
            engine=ENGINE,
        )
