"""Check quotes against the pages that they claim to come from.

A quote is `verified` when its words stand on a page in that order (case, punctuation, spacing, ligatures and
line-end hyphens aside; digits count, with their decimal separators), `fuzzy` when nearly so and every number of
it is there, else `unsupported`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Final, Literal

from services.analysis.reading import Box, Document, Line, PageText, merge
from services.analysis.words import DEVANAGARI_DIGITS, WORD_CLASS

Match = Literal["verified", "fuzzy", "unsupported"]

_FUZZY_RATIO: Final = 0.8
_MAX_QUOTE_WORDS: Final = 400
_MIN_SQUEEZED: Final = 10
_MAX_POSTINGS: Final = 2_000
_MAX_BY_CHARACTER: Final = 300
_JOINT: Final = re.compile(r"(?<=\w)[-\u00ad\ufffe\u2010\u2011]\s*(?=[^\W\d_])|[\u00ad\ufffe]")
_KEPT: Final = re.compile(rf"\d+(?:[.,]\d+)+|{WORD_CLASS}+|%")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value comes from. `page` is 0 where not even the claim names one."""

    page: int
    quote: str
    box: Box | None
    match: Match

    def as_json(self) -> dict[str, Any]:
        """`{page, quote, box: [left, top, right, bottom] | null, match}`."""
        box = None if self.box is None else [round(edge, 2) for edge in self.box]
        return {"page": self.page, "quote": self.quote, "box": box, "match": self.match}


def cite(lines: Sequence[Line], quote: str | None = None) -> Evidence:
    """Evidence that an extractor knows to be true since it copied the quote from these lines."""
    text = " ".join(line.text for line in lines) if quote is None else quote
    return Evidence(lines[0].page, text, merge(line.box for line in lines), "verified")


def normal_form(text: str) -> str:
    """Words parted by single spaces, padded with one on either side, without case and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(DEVANAGARI_DIGITS).replace("_", " ")
    return f" {' '.join(_KEPT.findall(_JOINT.sub('', folded)))} "


@dataclass(slots=True)
class _PageIndex:
    """The normal form of a page, and where each line starts in it."""

    number: int
    lines: Sequence[Line]
    text: str = " "
    starts: list[int] = field(default_factory=list)

    def find(self, needle: str) -> Box | Literal[False] | None:
        """The box around the lines where a padded normal form stands, False where it does not."""
        at = self.text.find(needle)
        return False if at < 0 else self.box(at + 1, at + len(needle) - 1)

    def find_squeezed(self, needle: str) -> Box | Literal[False] | None:
        """The same without regard to spaces."""
        at = self.text.replace(" ", "").find(needle)
        if at < 0:
            return False
        places = [place for place, character in enumerate(self.text) if character != " "]
        return self.box(places[at], places[at + len(needle) - 1] + 1)

    def box(self, begin: int, end: int) -> Box | None:
        """The box around the lines between two positions of the normal form."""
        first = max(0, bisect_right(self.starts, begin) - 1)
        return merge(line.box for line in self.lines[first : max(first + 1, bisect_right(self.starts, end - 1))])


class EvidenceIndex:
    """The pages of a document, normalised once, to look quotes up in."""

    def __init__(self, document: Document) -> None:
        self._pages = [_index(page) for page in document.pages]

    def locate(self, quote: str, page: int | None = None) -> Evidence:
        """Find a quote, on the claimed page first; the page in the answer is where it was found."""
        needle = normal_form(quote)
        claimed = page or 0
        if not needle.strip():
            return Evidence(claimed, quote, None, "unsupported")
        pages = sorted(self._pages, key=lambda index: index.number != claimed) if claimed else self._pages
        return (
            self._exact(quote, needle, pages)
            or self._near(quote, needle, claimed)
            or Evidence(claimed, quote, None, "unsupported")
        )

    def _exact(self, quote: str, needle: str, pages: Iterable[_PageIndex]) -> Evidence | None:
        for index in pages:
            if (box := index.find(needle)) is not False:
                return Evidence(index.number, quote, box, "verified")
        squeezed = needle.replace(" ", "")
        if len(squeezed) < _MIN_SQUEEZED and not _CJK.search(squeezed):
            return None
        for index in pages:
            if (box := index.find_squeezed(squeezed)) is not False:
                return Evidence(index.number, quote, box, "verified")
        return None

    def _near(self, quote: str, needle: str, claimed: int) -> Evidence | None:
        wanted = needle.split()[:_MAX_QUOTE_WORDS]
        best_ratio, best = 0.0, None
        for page, start in self._candidates(wanted, claimed):
            tokens = self._words[page]
            window = tokens[start : start + len(wanted) + 2]
            ratio = _likeness(wanted, window)
            if ratio > best_ratio and _numbers(wanted) <= _numbers(window):
                best_ratio, best = ratio, (page, start)
        if best is None or best_ratio < _FUZZY_RATIO:
            return None
        page, start = best
        return Evidence(self._pages[page].number, quote, self._window_box(page, start, len(wanted)), "fuzzy")

    def _candidates(self, wanted: list[str], claimed: int) -> list[tuple[int, int]]:
        """Windows (page index, first word) that the rarest words of the quote vote for, the best first."""
        votes: Counter[tuple[int, int]] = Counter()
        rare = sorted(range(len(wanted)), key=lambda n: len(self._postings.get(wanted[n], ())) or _MAX_POSTINGS)
        for offset in rare[:8]:
            for page, place in self._postings.get(wanted[offset], ())[:_MAX_POSTINGS]:
                votes[page, max(0, place - offset)] += 2 if self._pages[page].number == claimed else 1
        return [window for window, _ in votes.most_common(6)]

    def _window_box(self, page: int, start: int, count: int) -> Box | None:
        tokens = self._words[page]
        begin = 1 + sum(len(token) + 1 for token in tokens[:start])
        end = begin + sum(len(token) + 1 for token in tokens[start : start + count]) - 1
        return self._pages[page].box(begin, end)

    @cached_property
    def _words(self) -> list[list[str]]:
        return [index.text.split() for index in self._pages]

    @cached_property
    def _postings(self) -> dict[str, list[tuple[int, int]]]:
        postings: dict[str, list[tuple[int, int]]] = {}
        for page, tokens in enumerate(self._words):
            for place, token in enumerate(tokens):
                postings.setdefault(token, []).append((page, place))
        return postings


def _index(page: PageText) -> _PageIndex:
    """Normalise a page line by line, undoing hyphens at line ends, and then its table cells."""
    index = _PageIndex(page.number, [*page.lines, *(Line(row.page, " ".join(row.cells), row.box) for row in page.rows)])
    parts: list[str] = [" "]
    size, broken = 1, False
    for line in index.lines:
        form = normal_form(line.text)[1:]
        if broken and form[:1].isalpha():
            parts[-1] = parts[-1][:-1]
            size -= 1
        index.starts.append(size)
        form = "" if form == " " else form
        parts.append(form)
        size += len(form)
        broken = bool(form) and len(line.text) > 1 and line.text[-1] in "-\u00ad\ufffe\u2010"
    index.text = "".join(parts)
    return index


def _likeness(wanted: list[str], window: list[str]) -> float:
    """How alike two stretches are, 0 to 1: by characters, or by words where that would take long."""
    one, other = " ".join(wanted), " ".join(window)
    if len(one) <= _MAX_BY_CHARACTER:
        return SequenceMatcher(None, one, other, autojunk=False).ratio()
    return SequenceMatcher(None, wanted, window, autojunk=False).ratio()


def _numbers(tokens: Iterable[str]) -> set[str]:
    return {token for token in tokens if token[0].isdigit()}
