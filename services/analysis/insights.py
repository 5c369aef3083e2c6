"""Insights: sentences that compare, conclude, oblige or show a trend, those with numbers first."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from typing import Final

from services.analysis.sentences import Sentence
from services.analysis.summary import shape
from services.analysis.words import stem


def _stems(listed: str) -> frozenset[str]:
    return frozenset(map(stem, listed.split()))


_TREND: Final = _stems(
    """
    increase increasing decrease decreasing grew grow growing growth decline declining rose rise rising fell
    fall falling drop dropped gain gained lost loss improve improved improvement reduce reduction double
    doubled triple halved exceed exceeded surpass outperform compared comparison versus higher lower larger
    smaller faster slower highest lowest largest smallest record year-over-year average median totaled
    totalled accounted represent attributable driven percent shrank shrink expand expanded rate वृद्धि बढ़
    बढ़ा बढ़ी बढ़कर बढ़े बढ़त घटा घटी घटकर कमी गिरावट तुलना कुल औसत सर्वाधिक लाभ हानि प्रतिशत
    """
)
_FINDING: Final = _stems(
    """
    significant significantly conclude concluded conclusion found find findings demonstrate demonstrated
    reveal revealed important importantly critical key major primary primarily best worst expect expected
    forecast risk risks warning caution announced approved result results show shows suggest indicate
    recommend recommended महत्वपूर्ण निष्कर्ष अनुमान परिणाम
    """
)
_DUTY: Final = _stems(
    """
    terminate terminated termination deadline penalty penalties liable liability due exceed pay paid payable
    obligation required responsible entitled अनिवार्य देय अंतिम
    """
)
_ORDER: Final = (" shall ", " must ", " may not ", " चाहिए", " होगा")
_NUMBER: Final = re.compile(
    r"\d+(?:[.,]\d+)*\s*%|[$€£¥₹]\s*\d|\b\d+(?:[.,]\d+)?\s*(?:million|billion|percent|लाख|करोड़|प्रतिशत)"
)
_DIGIT: Final = re.compile(r"\d")
_POOL: Final = 40
_FRAGMENT: Final = 12


def insights(sentences: Sequence[Sentence], worth: Sequence[float], limit: int = 6) -> list[Sentence]:
    """Up to `limit` sentences that tell something of use, the strongest first; `worth` is their rank in a summary."""
    scores = [_score(sentence) * (0.5 + value) for sentence, value in zip(sentences, worth, strict=True)]
    best = heapq.nlargest(_POOL, range(len(sentences)), key=lambda n: scores[n])
    pool = sorted(best, key=lambda n: -scores[n] * shape(sentences[n]))
    chosen: list[Sentence] = []
    for place in pool:
        if scores[place] <= 0.0 or len(chosen) == limit:
            break
        if not any(_same(sentences[place], other) for other in chosen):
            chosen.append(sentences[place])
    return chosen


def _score(sentence: Sentence) -> float:
    if sentence.word_count < _FRAGMENT and sentence.text[-1] not in ".!।॥”":
        return 0.0
    stems = set(sentence.stems)
    told = 1.0 * bool(stems & _TREND) + 0.7 * bool(stems & _FINDING)
    if stems & _DUTY and any(word in sentence.text for word in _ORDER):
        told += 0.7
    if not told:
        return 0.0
    if _NUMBER.search(sentence.text):
        return told * 2.2
    return told * (1.2 if _DIGIT.search(sentence.text) else 0.8)


def _same(one: Sentence, other: Sentence) -> bool:
    left, right = set(one.stems), set(other.stems)
    return 2 * len(left & right) > min(len(left), len(right))
