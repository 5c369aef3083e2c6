"""Tags: the phrases that a document keeps coming back to.

Candidates are runs of up to three content words that no stop word or punctuation parts (Rose et al., "Automatic
keyword extraction from individual documents", 2010); a phrase's worth grows with how often it stands alone rather
than inside a longer one (C-value, Frantzi et al., 2000), with its length, its spread over pages and an early start.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from services.analysis.reading import Document, Line
from services.analysis.words import PALE, WORD_CLASS, stem

_LONGEST: Final = 3
_MAX_CANDIDATES: Final = 120_000
_POOL: Final = 400
_LENGTH_WEIGHT: Final = (0.0, 1.0, 1.9, 2.2)
_TOKEN: Final = re.compile(rf"{WORD_CLASS}+(?:['’-]{WORD_CLASS}+)*|[^\s\w]+")
_DIGIT: Final = re.compile(r"\d")
_ADVERB: Final = re.compile(r"\w{3,}ly$")


@dataclass(frozen=True, slots=True)
class Tag:
    """A phrase as the document writes it, how strongly it marks the document (0–1), and where it stands."""

    text: str
    score: float
    pages: tuple[int, ...]
    line: Line

    def as_json(self) -> dict[str, Any]:
        """`{tag, score, pages}`."""
        return {"tag": self.text, "score": round(self.score, 3), "pages": list(self.pages)}


@dataclass(slots=True)
class _Phrase:
    line: Line
    first: int
    count: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    pages: list[int] = field(default_factory=list)


def tags(document: Document, limit: int, exclude: Sequence[str] = ()) -> list[Tag]:
    """The best phrases, no more than `limit`, none with an excluded word, none inside another one."""
    phrases = _count(document)
    page_count = max(1, len(document.pages))
    scored = {key: _score(key, phrase, page_count) for key, phrase in phrases.items()}
    repeated = any(phrase.count > 1 for phrase in phrases.values())
    ranked = sorted(scored, key=lambda key: (-scored[key], phrases[key].first))[:_POOL]
    chosen: list[tuple[str, ...]] = []
    banned = [tuple(map(stem, phrase.split())) for phrase in exclude if phrase.strip()]
    for key in ranked:
        if len(chosen) == limit:
            break
        worthy = not repeated or phrases[key].count > 1 or len(chosen) < limit // 2
        if worthy and not any(_inside(ban, key) for ban in banned) and _adds(key, chosen, phrases):
            chosen.append(key)
    top = scored[chosen[0]] if chosen else 1.0
    return [_tag(phrases[key], scored[key] / top) for key in chosen]


def _count(document: Document) -> dict[tuple[str, ...], _Phrase]:
    phrases: dict[tuple[str, ...], _Phrase] = {}
    place = 0
    for page in document.pages:
        for line in document.body(page):
            place += 1
            for run in _runs(line.text):
                stems = [stem(word) for word in run]
                for size in range(1, min(_LONGEST, len(run)) + 1):
                    for start in range(len(run) - size + 1):
                        _note(phrases, tuple(stems[start : start + size]), run[start : start + size], line, place)
        if len(phrases) > _MAX_CANDIDATES:
            phrases = {key: phrase for key, phrase in phrases.items() if phrase.count > 1}
    return phrases


def _note(
    phrases: dict[tuple[str, ...], _Phrase], key: tuple[str, ...], run: Sequence[str], line: Line, place: int
) -> None:
    phrase = phrases.get(key)
    if phrase is None:
        phrase = phrases[key] = _Phrase(line, place)
    phrase.count += 1
    if phrase.count <= 50:
        phrase.forms[" ".join(run)] += 1
    if not phrase.pages or phrase.pages[-1] != line.page:
        phrase.pages.append(line.page)


def _runs(text: str) -> Iterator[list[str]]:
    """Runs of words that could be a subject, unbroken by small words, numbers or punctuation."""
    run: list[str] = []
    for token in _TOKEN.findall(text):
        if _is_subject(token):
            run.append(token)
        elif run:
            yield run
            run = []
    if run:
        yield run


@lru_cache(maxsize=65_536)
def _is_subject(token: str) -> bool:
    low = token.casefold()
    if len(token) < (3 if token.isascii() else 2):
        return False
    return low not in PALE and token[0].isalpha() and not _ADVERB.match(low)


def _score(key: tuple[str, ...], phrase: _Phrase, page_count: int) -> float:
    spread = 1.0 + math.log2(1 + len(phrase.pages)) / math.log2(1 + page_count) if page_count > 1 else 1.0
    early = 1.0 + 1.0 / (1.0 + phrase.first / 12.0)
    form = next(iter(phrase.forms))
    named = 1.15 if form[0].isupper() and not form.isupper() else 1.0
    digits = 0.5 if _DIGIT.search(form) else 1.0
    return math.log2(1 + phrase.count) * _LENGTH_WEIGHT[len(key)] * spread * early * named * digits


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def _adds(key: tuple[str, ...], chosen: list[tuple[str, ...]], phrases: dict[tuple[str, ...], _Phrase]) -> bool:
    """Whether a phrase says something that those chosen before it do not."""
    if len(set(key)) < len(key):
        return False
    for other in chosen:
        if _inside(key, other) and phrases[other].count * 3 > phrases[key].count:
            return False
        if _inside(other, key) or len(set(key) & set(other)) >= 2:
            return False
    return sum(1 for other in chosen if set(key) & set(other)) < 2


def _tag(phrase: _Phrase, score: float) -> Tag:
    form = phrase.forms.most_common(1)[0][0]
    lowered = form.lower() if form.isupper() and (len(form) > 5 or " " in form) else form
    shown = lowered.lower() if lowered.istitle() and lowered.lower() in phrase.forms else lowered
    return Tag(shown, min(1.0, score), tuple(phrase.pages[:200]), phrase.line)
