"""A summary made of the document's own sentences.

Sentences are ranked by the centroid method (Radev et al., 2004: mean tf·idf of their content words) with bonuses
for place and cue words, then picked greedily against redundancy (maximal marginal relevance, Carbonell and
Goldstein, 1998). Linear in the length of the document.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from services.analysis.sentences import Sentence
from services.analysis.words import stem, words

_POOL: Final = 150
_REDUNDANT: Final = 0.5
_CUES: Final = re.compile(
    r"\b(in summary|in conclusion|to conclude|overall|this (?:paper|report|document|study|agreement|guide|manual|"
    r"article|letter|note|chapter)|we (?:present|propose|show|find|describe|report)|the (?:purpose|aim|goal|objective)|"
    r"announced?|results? (?:show|indicate|suggest)|key findings?|highlights?)\b"
    r"|निष्कर्ष|सारांश|उद्देश्य|इस (?:रिपोर्ट|दस्तावेज़|लेख)",
    re.IGNORECASE,
)
_DANGLING: Final = re.compile(
    r"^(?:this|these|those|it|they|he|she|such|however|but|and|also|thus|therefore|moreover|furthermore|then|so|"
    r"in addition|for example|for instance|यह|ये|इस|इसके|लेकिन|और)\b",
    re.IGNORECASE,
)
_LISTING: Final = re.compile(
    r"\bet al\b|https?://|www\.|\bdoi\b|\[\d+\]\s|@|©|copyright|all rights reserved", re.IGNORECASE
)


def summarize(
    sentences: Sequence[Sentence],
    title: str = "",
    *,
    worth: Sequence[float] | None = None,
    limit: int = 4,
    max_chars: int = 900,
) -> list[Sentence]:
    """The sentences that say most, in document order, none repeating another; `worth` spares ranking them again."""
    scores = rank(sentences, title) if worth is None else worth
    best = heapq.nlargest(_POOL, range(len(sentences)), key=lambda n: scores[n])
    pool = sorted(best, key=lambda n: -scores[n] * shape(sentences[n]))
    chosen: list[Sentence] = []
    size = 0
    for place in pool:
        sentence = sentences[place]
        if len(chosen) == limit:
            break
        if chosen and size + len(sentence.text) > max_chars:
            continue
        if all(_overlap(sentence, other) < _REDUNDANT for other in chosen):
            chosen.append(sentence)
            size += len(sentence.text)
    return sorted(chosen, key=lambda sentence: sentence.order)


def rank(sentences: Sequence[Sentence], title: str = "") -> list[float]:
    """How much each sentence says about the whole, in the order given."""
    weight = _weights(sentences)
    heading = {stem(word) for word in words(title)}
    total = max(1, len(sentences))
    return [_score(sentence, weight, heading, total) for sentence in sentences]


def _weights(sentences: Sequence[Sentence]) -> dict[str, float]:
    """tf·idf of each stem over sentences, the highest being 1."""
    term, spread = Counter[str](), Counter[str]()
    for sentence in sentences:
        term.update(sentence.stems)
        spread.update(set(sentence.stems))
    count = max(1, len(sentences))
    raw = {stem: math.log2(1 + term[stem]) * math.log2(1 + count / spread[stem]) for stem in term if term[stem] > 1}
    highest = max(raw.values(), default=1.0)
    return {stem: value / highest for stem, value in raw.items()}


def _score(sentence: Sentence, weight: dict[str, float], heading: set[str], total: int) -> float:
    distinct = set(sentence.stems)
    if not distinct:
        return 0.0
    content = sum(weight.get(stem, 0.0) for stem in distinct) / math.sqrt(len(distinct) + 4.0)
    place = 1.0 + 0.6 / (1.0 + sentence.order / 3.0) + (0.15 if sentence.opens else 0.0)
    tail = 0.15 if sentence.order > 0.95 * total else 0.0
    return (content + 0.3 * len(distinct & heading) / (1 + len(heading))) * (place + tail)


def shape(sentence: Sentence) -> float:
    """What the form of a sentence says of its worth alone."""
    text, factor = sentence.text, 1.0
    if _CUES.search(text):
        factor *= 1.3
    if _DANGLING.match(text):
        factor *= 0.7
    if _LISTING.search(text):
        factor *= 0.4
    if text[-1] not in '.!।॥。”"':
        factor *= 0.6
    if not (text[0].isupper() or not text[0].isascii() or text[0] in '“"'):
        factor *= 0.6
    if sentence.word_count > 45:
        factor *= 45 / sentence.word_count
    return factor * (0.7 if sentence.word_count < 9 else 1.0)


def _overlap(one: Sentence, other: Sentence) -> float:
    left, right = set(one.stems), set(other.stems)
    return len(left & right) / max(1, min(len(left), len(right)))
