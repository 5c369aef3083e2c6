"""Named values of a document: the fields of its forms and the figures worth a place on a dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.analysis.canonical import canonical, field_name, total_claim
from services.analysis.labels import Pair
from services.analysis.reading import Line
from services.analysis.sentences import Sentence
from services.analysis.values import IDENTIFIER, Value, find_dates, find_values

MAX_METRICS: Final = 20
MAX_FIELDS: Final = 200
_AMOUNTS: Final = frozenset({"amount", "number"})
_CANONICAL_ORDER: Final = ("invoice_number", "date", "due_date", "order_number", "total", "subtotal", "tax")
_MONEY_NOUN: Final = re.compile(
    r"\b(?P<name>(?:(?:total|net|gross|operating|annual|quarterly|core|adjusted|consolidated|outstanding)\s)*"
    r"(?:revenues?|income|profits?|loss(?:es)?|earnings|ebitda|sales|expenses|costs?|assets|liabilities|debt|equity|budget|"
    r"expenditures?|margin|dividends?|cash flow|turnover|population|payments?|fees?|price|funding|grants?))\b"
    r"|(?P<hindi>(?:कुल |शुद्ध |सकल )?(?:राजस्व|आय|लाभ|हानि|व्यय|खर्च|बजट|बिक्री|संपत्ति|राशि))",
    re.IGNORECASE,
)
_REACH: Final = 90
_WORD: Final = re.compile(r"[^\W\d_]{2,}|[\u0900-\u097F]{2,}")
_NUMERALS: Final = re.compile(r"\d+")
_FIGURE: Final = re.compile(
    r"\d\s?(?:%|percent|प्रतिशत|million|billion|लाख|करोड़|[€₹])|[$€£¥₹]\s?\d|\b(?:Rs|USD|EUR|INR|GBP)\b"
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A named value, its lines, and how much it matters (higher first)."""

    name: str
    value: Value
    lines: tuple[Line, ...]
    weight: float


def fields(pairs: Sequence[Pair]) -> dict[str, Metric]:
    """Every labelled value under its name, canonical where the label has one; of two, the better claim stays."""
    found: dict[str, Metric] = {}
    for pair in pairs:
        for metric in _named(pair):
            held = found.get(metric.name)
            if held is None:
                better = len(found) < MAX_FIELDS
            else:
                better = metric.weight > held.weight or (metric.name == "total" and metric.weight == held.weight)
            if better:
                found[metric.name] = metric
    return found


def _named(pair: Pair) -> Iterator[Metric]:
    """The field or fields that a pair states."""
    known = canonical(pair.label)
    for name, kinds in known:
        value = _typed(pair, kinds)
        if value is not None:
            yield Metric(name, value, pair.lines, 10.0 + _claim(name, pair) - _doubt(name, value))
            return
    if not known and pair.origin == "row" and (inner := _closing_words(pair)) is not None:
        yield inner
    elif not any(kinds & _AMOUNTS or name == "date" for name, kinds in known):
        yield from _own_name(pair)


def _claim(name: str, pair: Pair) -> float:
    if name != "total":
        return 2.5 if pair.origin == "above" else 3.0
    # Two or three figures after a total are those of a tax table, whose net amount comes first.
    return total_claim(pair.label) - (1.0 if pair.origin != "table" and 1 < len(pair.values) < 4 else 0.0)


def _doubt(name: str, value: Value) -> float:
    """Doubt about figures without decimals, and about a total that is nothing or counts pieces."""
    doubt = 0.5 if value.kind == "number" else 0.0
    if name == "total" and (not value.number or (value.kind == "number" and value.number < 10)):
        doubt += 4.0
    return doubt


def _closing_words(pair: Pair) -> Metric | None:
    """A total whose label stands at the end of other words: "Prices include VAT Invoice total 49.99"."""
    tokens = pair.label.split()
    for size in (3, 2, 1):
        if len(tokens) <= size:
            continue
        for name, kinds in canonical(" ".join(tokens[-size:])):
            value = _typed(pair, kinds)
            if name == "total" and value is not None and value.kind == "amount":
                return Metric(name, value, pair.lines, 10.5)
    return None


def _own_name(pair: Pair) -> Iterator[Metric]:
    name = field_name(pair.label)
    if len(_WORD.findall(name)) == 0 or len(_NUMERALS.findall(name)) > 2:
        return
    if pair.origin == "table" and len(pair.values) > 1 and any(pair.columns):
        for value, column in list(zip(pair.values, pair.columns, strict=True))[:4]:
            yield Metric(f"{name}_{field_name(column)}".rstrip("_"), value, pair.lines, _own_weight(pair, value))
        return
    value = pair.values[0] if pair.origin != "colon" and pair.values else _whole(pair)
    yield Metric(name, value, pair.lines, _own_weight(pair, value))


def _whole(pair: Pair) -> Value:
    """The whole text after a label, with the meaning of the one value in it where that fills it."""
    if len(pair.values) == 1 and len(pair.values[0].text) >= 0.7 * len(pair.text):
        return replace(pair.values[0], text=pair.text)
    return Value(pair.text, "text")


def _own_weight(pair: Pair, value: Value) -> float:
    if value.kind == "text":
        return 0.5
    worth = {"amount": 3.0, "percent": 2.5, "date": 2.0, "number": 1.0}.get(value.kind, 0.5)
    worth -= 1.5 if value.kind == "amount" and value.currency is None and pair.origin == "row" else 0.0
    worth -= 1.0 if _NUMERALS.search(pair.label) or pair.label[0].islower() else 0.0
    worth += 2.0 if _MONEY_NOUN.search(pair.label) else 0.0
    worth += 1.0 if re.search(r"\btotal\b|कुल", pair.label, re.IGNORECASE) else 0.0
    return worth - (0.5 if value.number == 0 else 0.0)


def _typed(pair: Pair, kinds: frozenset[str]) -> Value | None:
    """The part of a pair's text that is of the kind its label asks for."""
    if "date" in kinds:
        return next(iter(find_dates(pair.text)), None)
    if "identifier" in kinds:
        priced = bool(pair.values) and pair.values[0].kind in ("amount", "percent")
        return None if priced else _identifier(pair.text)
    if kinds & _AMOUNTS:
        figures = [value for value in pair.values if value.kind in kinds]
        return figures[-1] if len(figures) > 2 else figures[0] if figures else None
    return Value(pair.text, "text")


def _identifier(text: str) -> Value | None:
    dates = find_dates(text)
    if dates and dates[0].start == 0:
        return None
    match = IDENTIFIER.search(text)
    if match is None or match.start() > 12:
        return None
    compact = re.fullmatch(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,5}){3,8}", text.strip())
    return Value((compact or match)[0].strip(), "identifier")


def prose_metrics(sentences: Iterable[Sentence]) -> Iterator[Metric]:
    """Figures that sentences give to a money word: "Net income was $12.3 million" → net_income."""
    for sentence in sentences:
        if not _FIGURE.search(sentence.text):
            continue
        for noun in _MONEY_NOUN.finditer(sentence.text):
            stretch = sentence.text[noun.end() : noun.end() + _REACH]
            value = next((value for value in find_values(stretch) if value.currency or value.kind == "percent"), None)
            if value is None or _MONEY_NOUN.search(stretch[: value.start]) or "." in stretch[: value.start].rstrip("."):
                continue
            name = field_name(noun[0]) + ("_change" if value.kind == "percent" else "")
            yield Metric(name, value, sentence.lines, 5.5 if value.currency else 4.5)


def key_metrics(candidates: Iterable[Metric], least: float = 0.0, limit: int = MAX_METRICS) -> list[Metric]:
    """The figures that matter most, fields of business papers first, each name once, none of a weight below `least`."""
    best: dict[str, Metric] = {}
    for metric in candidates:
        if metric.value.kind == "text" or metric.weight < least:
            continue
        if metric.name not in best or metric.weight > best[metric.name].weight:
            best[metric.name] = metric
    order = {name: place for place, name in enumerate(_CANONICAL_ORDER)}
    ranked = sorted(best.values(), key=lambda metric: (order.get(metric.name, len(order)), -metric.weight))
    return ranked[:limit]
