"""Cut lines into sentences, and tell prose from headings, table rows and boilerplate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.analysis.reading import Document, Line
from services.analysis.words import STOP, content_stem, words

_END: Final = re.compile(r"[.!?।॥]+[\"”’)\]]*(?=\s)|[。！？]")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|no|nos|vs|etc|inc|ltd|co|corp|fig|figs|eq|sec|art|vol|pp|ed|eds|al|approx|"
    r"dept|est|gov|sr|jr|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|e\.g|i\.e|u\.s|u\.k|rs|pvt|डॉ|श्री|रु|[a-z])\.$",
    re.IGNORECASE,
)
_BULLET: Final = re.compile(r"^(?:[•●◦▪■‣*\u2013\u2014·-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])\s")
_HYPHENS: Final = "-\u00ad\ufffe\u2010"
_MIN_WORDS: Final = 6
_MAX_WORDS: Final = 90


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the lines that it stands on and the stems of its content words.

    `order` counts sentences through the document; `opens` says that it begins a paragraph.
    """

    text: str
    lines: tuple[Line, ...]
    stems: tuple[str, ...]
    word_count: int
    order: int
    opens: bool

    @property
    def page(self) -> int:
        """The page on which it begins."""
        return self.lines[0].page


def sentences(document: Document) -> list[Sentence]:
    """Every prose sentence of the document, in reading order."""
    found: list[Sentence] = []
    for page in document.pages:
        for block in _blocks(document.body(page)):
            for number, (text, lines) in enumerate(_split(block)):
                tokens = words(text)
                if is_prose(text, tokens):
                    stems = tuple(filter(None, map(content_stem, tokens)))
                    found.append(Sentence(text, lines, stems, len(tokens), len(found), number == 0))
    return found


def is_prose(text: str, tokens: list[str]) -> bool:
    """Whether a stretch of text reads as a sentence: enough words, mostly letters, with small words between."""
    count = len(tokens)
    if not _MIN_WORDS <= count <= _MAX_WORDS or "...." in text or ". . ." in text or "____" in text:
        return False
    alphabetic = [token for token in tokens if not token[0].isdigit()]
    if len(alphabetic) < 0.7 * count or sum(map(len, alphabetic)) < 2.6 * len(alphabetic):
        return False
    capitals = sum(1 for token in alphabetic if token[0].isupper())
    if capitals > 0.7 * len(alphabetic):
        return False
    if text[-1] in '.!?।॥。！？”"':
        return True
    small = sum(1 for token in alphabetic if token.casefold() in STOP)
    return small >= 0.2 * count and count >= _MIN_WORDS + 3 and text[-1] not in ":,;"


def _blocks(lines: list[Line]) -> Iterator[list[Line]]:
    """Runs of lines that belong to one paragraph."""
    lengths = sorted(len(line.text) for line in lines)
    width = lengths[int(0.8 * (len(lengths) - 1))] if lengths else 0
    block: list[Line] = []
    for line in lines:
        if block and not _continues(block[-1], line, width):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _continues(line: Line, following: Line, width: int) -> bool:
    last, head = line.text[-1], following.text
    if head[0].islower() and last not in ".!?:":
        return True
    if following.opens_paragraph or last == ":" or _BULLET.match(head):
        return False
    return len(line.text) >= 0.6 * width and not (line.text.isupper() and not head.isupper())


def _split(block: list[Line]) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Sentences of a paragraph, each with the lines that it touches."""
    text, starts = _join(block)
    begin = 0
    for end in [*_ends(text), len(text)]:
        sentence = text[begin:end].strip()
        if sentence:
            touched = tuple(
                line
                for line, start, stop in zip(block, starts, [*starts[1:], len(text) + 1], strict=True)
                if start < end and stop > begin + 1
            )
            yield _BULLET.sub("", sentence, count=1), touched
        begin = end


def _join(block: list[Line]) -> tuple[str, list[int]]:
    """The text of a paragraph with line-end hyphens undone, and where each line starts in it."""
    parts: list[str] = []
    starts: list[int] = []
    size = 0
    for line, following in zip(block, [*block[1:], None], strict=True):
        starts.append(size)
        broken = len(line.text) > 1 and line.text[-1] in _HYPHENS
        text = line.text.replace("\ufffe", "").replace("\u00ad", "")
        if following is None:
            piece = text
        elif broken and following.text[0].islower():
            piece = text.removesuffix("-").removesuffix("\u2010")
        else:
            piece = text + " "
        parts.append(piece)
        size += len(piece)
    return "".join(parts), starts


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        end = match.end()
        following = text[end : end + 3].lstrip()
        if match[0][0] == "." and (following[:1].islower() or _ABBREVIATION.search(text[max(0, end - 8) : end])):
            continue
        yield end
