"""Labels with their values, and what can be a label at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.analysis.reading import Line
from services.analysis.values import Value, find_values
from services.analysis.words import STOP, words

Origin = Literal["colon", "row", "table", "number_sign", "above"]

MAX_VALUE: Final = 160
SHORT: Final = 30
_MAX_LABEL_WORDS: Final = 7
_LETTERS: Final = re.compile(r"[^\W\d_]")
_LEADER: Final = re.compile(r"[\s.:…·|=_-]+$")
_DIGIT: Final = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Pair:
    """A label, its value as printed, the values read in it, and the lines that say so."""

    label: str
    text: str
    values: tuple[Value, ...]
    lines: tuple[Line, ...]
    origin: Origin
    columns: tuple[str, ...] = ()


def is_label(text: str) -> bool:
    """Whether a stretch of text can name a value: a few words, letters for the most part, no sentence."""
    tidy = tidy_label(text)
    tokens = words(tidy)
    if not 1 <= len(tokens) <= _MAX_LABEL_WORDS or len(tidy) > 60 or not _LETTERS.search(tidy):
        return False
    if len(_DIGIT.findall(tidy)) > 0.4 * len(tidy) or (tidy[0] in '([“"' and len(tokens) > 4):
        return False
    small = sum(1 for token in tokens if token.casefold() in STOP)
    return small <= len(tokens) // 2 and ". " not in tidy.replace("No. ", "")


def only_figures(text: str) -> bool:
    """Whether a short text is made of figures for the most part."""
    values = find_values(text)
    if not values or len(text) > 60:
        return False
    return sum(value.end - value.start for value in values) >= 0.7 * len(text.strip())


def tidy_label(label: str) -> str:
    """A label without the bullets, leaders and colons around it."""
    return _LEADER.sub("", label).strip(" •*#-–—|\t:").strip()
