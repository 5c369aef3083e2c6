"""Question answering by ranking passages with BM25 (Robertson and Zaragoza, 2009)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.analysis.labels import Pair
from services.analysis.reading import Document, Line
from services.analysis.sentences import Sentence
from services.analysis.values import Value, find_dates, find_values
from services.analysis.words import content_stem, word_set, words

_K1: Final = 1.2
_B: Final = 0.6
_WHEN: Final = re.compile(r"\b(?:when|what date|which date|what day|deadline|due)\b|कब|तिथि|तारीख", re.IGNORECASE)
_HOW_MUCH: Final = re.compile(
    r"\b(?:how (?:much|many|large|big|long|high)|what (?:is|was|were|are) the (?:\w+ ){0,4}"
    r"(?:total|amount|price|cost|number|percentage|rate|share|value|sum))\b|कितन|कुल",
    re.IGNORECASE,
)
_ASKING: Final = word_set(
    """
    what who whom whose which when where why how much many tell find give name say said document text page please
    क्या कौन कब कहाँ कहां कितना कितनी कितने
    """
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text that may hold an answer. `pair` is set where it is a label with its value."""

    text: str
    lines: tuple[Line, ...]
    stems: tuple[str, ...]
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer as quoted, its passage, and how sure (0–1); empty without a passage."""

    text: str
    passages: tuple[Passage, ...]
    confidence: float


def passages(document: Document, sentences: Sequence[Sentence], pairs: Sequence[Pair]) -> list[Passage]:
    """Sentences, labelled values, and the lines that belong to neither."""
    found = [Passage(sentence.text, sentence.lines, sentence.stems) for sentence in sentences]
    found += [
        Passage(f"{pair.label}: {pair.text}", pair.lines, _stems(f"{pair.label} {pair.text}"), pair) for pair in pairs
    ]
    covered = {id(line) for passage in found for line in passage.lines}
    for page in document.pages:
        rest = [line for line in document.body(page) if id(line) not in covered]
        found += [Passage(line.text, (line,), stems) for line in rest if (stems := _stems(line.text))]
    return found


def answer(question: str, candidates: Sequence[Passage]) -> Answer:
    """The passage that matches best, cut to the value where the question asks for one."""
    asked = [stem for word in words(question) if word.casefold() not in _ASKING and (stem := content_stem(word))]
    wanted = list(dict.fromkeys(asked))
    if not wanted or not candidates:
        return Answer("", (), 0.05)
    idf = _idf(wanted, candidates)
    mean = sum(len(passage.stems) for passage in candidates) / len(candidates)
    scored = sorted(((_bm25(passage, idf, mean, question), -n) for n, passage in enumerate(candidates)), reverse=True)
    best = candidates[-scored[0][1]]
    coverage = _coverage(best, idf)
    if scored[0][0] <= 0.0 or coverage < 0.34:
        return Answer("", (), 0.05)
    support = [candidates[-n] for score, n in scored[1:3] if score > 0.75 * scored[0][0]]
    return Answer(_span(question, best), (best, *support), round(min(0.9, 0.15 + 0.7 * coverage), 3))


def _idf(wanted: Sequence[str], candidates: Sequence[Passage]) -> dict[str, float]:
    terms = set(wanted)
    spread: Counter[str] = Counter()
    for passage in candidates:
        spread.update(terms.intersection(passage.stems))
    count = len(candidates)
    return {term: math.log(1 + (count - spread[term] + 0.5) / (spread[term] + 0.5)) for term in wanted}


def _bm25(passage: Passage, idf: dict[str, float], mean: float, question: str) -> float:
    hits = idf.keys() & set(passage.stems)
    if not hits:
        return 0.0
    counts = Counter(passage.stems)
    norm = _K1 * (1 - _B + _B * len(passage.stems) / max(mean, 1.0))
    score = sum(idf[term] * counts[term] * (_K1 + 1) / (counts[term] + norm) for term in hits)
    if _WHEN.search(question) and not find_dates(passage.text):
        score *= 0.6
    if _HOW_MUCH.search(question) and not any(character.isdigit() for character in passage.text):
        score *= 0.5
    return score * (1.1 if passage.pair else 1.0)


def _coverage(passage: Passage, idf: dict[str, float]) -> float:
    total = sum(idf.values())
    return sum(weight for term, weight in idf.items() if term in passage.stems) / total if total else 0.0


def _span(question: str, passage: Passage) -> str:
    if passage.pair is not None:
        return passage.pair.text
    if _WHEN.search(question) and len(dates := find_dates(passage.text)) == 1:
        return dates[0].text
    amounts: list[Value] = [
        value for value in find_values(passage.text) if value.kind in ("amount", "percent", "number")
    ]
    if _HOW_MUCH.search(question) and len(amounts) == 1:
        return amounts[0].text
    return passage.text


def _stems(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(content_stem, words(text))))
