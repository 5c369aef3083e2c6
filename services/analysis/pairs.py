"""Labels and their values: "Label: value", rows that end in figures, table rows, and a label above its value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from services.analysis.canonical import canonical
from services.analysis.labels import MAX_VALUE, SHORT, Pair, is_label, only_figures, tidy_label
from services.analysis.reading import Document, Line
from services.analysis.tables import column_pairs, row_pairs
from services.analysis.values import Value, find_values

_MAX_LINES: Final = 60_000  # those of a thousand full pages
_TAIL: Final = 12  # a line that ends in figures has a digit among so many last characters
_NUMBER_SIGN: Final = re.compile(
    r"(?P<label>(?:[^\W\d_]+[ -]){0,2}[^\W\d_]+\s?(?:no|nos|nr|num|number|nummer|n[°ºo]|#|id)\.?)\s*[:#]*\s*"
    r"(?P<value>#?\s?(?=[\w/.-]*\d)[A-Za-z0-9][\w/.-]{2,})",
    re.IGNORECASE,
)
_REGISTERED: Final = re.compile(
    r"\b(?P<label>iban|bic|swift|vat|btw|tva|gstin|siret|siren|pan)\s+(?P<value>(?=[A-Z0-9]*\d)[A-Z0-9]{8,34})\b",
    re.IGNORECASE,
)
_SIGN: Final = re.compile(r"#|(?:\b|(?<=[a-z]))(?:no|nos|nr|num|number|nummer|n[°ºo]|id)\b", re.IGNORECASE)
_DIGIT: Final = re.compile(r"\d")
_FILLER: Final = re.compile(r"^[\s.:|*+x-]*$|^\s*[A-Z]{1,3}\s*$")
_KNOWN_TAIL: Final = re.compile(
    r"(?:(?:gst|tax|vat|order|invoice|inv|bill|customer|account|due|issue|ship|delivery|phone|receipt|doc|ref|po)\s?"
    r"[.#]?\s?(?:no|number|nr|id|date|#)?\.?|date|time|tel|fax|cashier|total|page)$",
    re.IGNORECASE,
)


def find_pairs(document: Document, prose: Collection[int] = ()) -> list[Pair]:
    """All pairs in reading order; the same label may come more than once.

    `prose` holds the `id` of lines that belong to sentences: figures at their end have no label.
    """
    found: list[Pair] = []
    budget = _MAX_LINES
    for page in document.pages:
        lines = document.body(page)
        for place, line in enumerate(lines):
            budget -= 1
            if budget < 0:
                break
            if id(line) not in prose:
                found.extend(_figures(line, lines[place - 1] if place else None))
            found.extend(_labelled(line, lines[place + 1 : place + 2]))
        for row in page.rows:
            found.extend(row_pairs(row))
            found.extend(column_pairs(row))
    return found


def _labelled(line: Line, after: Sequence[Line]) -> Iterator[Pair]:
    """Pairs that a colon or a number sign makes, or a well-known label above its value."""
    text = line.text
    if ":" in text or "：" in text:
        yield from _colon_pairs(line, after)
    elif len(text) > MAX_VALUE:
        return
    elif _DIGIT.search(text):
        if match := (_SIGN.search(text) and _NUMBER_SIGN.search(text)) or _REGISTERED.search(text):
            yield Pair(match["label"].strip(), match["value"].strip(), (), (line,), "number_sign")
    elif len(text) <= SHORT and after and _DIGIT.search(after[0].text[:SHORT]) and canonical(text):
        value = after[0].text
        yield Pair(tidy_label(text), value, tuple(find_values(value)), (line, after[0]), "above")


def _figures(line: Line, before: Line | None) -> Iterator[Pair]:
    """Pairs of words and the figures after them, or of words under an amount that stands alone."""
    if len(line.text) > MAX_VALUE:
        return
    if _DIGIT.search(line.text, max(0, len(line.text) - _TAIL)):
        yield from _trailing_figures(line)
    elif before is not None and len(before.text) <= 30 and _DIGIT.search(before.text) and ":" not in line.text:
        values = find_values(before.text)
        if len(values) == 1 and values[0].kind == "amount" and only_figures(before.text) and is_label(line.text):
            yield Pair(tidy_label(line.text), before.text, tuple(values), (before, line), "row")


def _colon_pairs(line: Line, after: Sequence[Line]) -> Iterator[Pair]:
    """Cut "A: 1 B: 2" before the label of each later colon."""
    text = line.text
    marks = [match for match in re.finditer(r"[:：]", text) if _parts_label(text, match.start())]
    begin = 0
    for number, mark in enumerate(marks):
        label = text[begin : mark.start()]
        if number + 1 < len(marks):
            end = mark.end() + _label_start(text[mark.end() : marks[number + 1].start()])
        else:
            end = len(text)
        value = text[mark.end() : end].strip(" #-|,;\t")
        if is_label(label):
            yield from _pair(line, label, value, after if end == len(text) else ())
        begin = end


def _pair(line: Line, label: str, value: str, after: Sequence[Line]) -> Iterator[Pair]:
    lines: tuple[Line, ...] = (line,)
    if not value and after and ":" not in after[0].text and len(after[0].text) <= 60 and not after[0].opens_paragraph:
        value, lines = after[0].text, (line, after[0])
    if value and len(value) <= MAX_VALUE and _LETTERS_OR_DIGIT.search(value):
        yield Pair(tidy_label(label), value, tuple(find_values(value)), lines, "colon")


_LETTERS_OR_DIGIT: Final = re.compile(r"\w")


def _parts_label(text: str, at: int) -> bool:
    """Whether a colon parts a label from its value, unlike those of clock times, ratios and addresses."""
    after = text[at + 1 : at + 3]
    if after == "//":
        return False
    return not (at and text[at - 1].isdigit() and after[:1].isdigit())


def _label_start(stretch: str) -> int:
    """Where, in the text between two colons, the label of the second one begins."""
    trimmed = stretch.rstrip()
    if match := _KNOWN_TAIL.search(trimmed):
        return match.start()
    tokens = list(re.finditer(r"\S+", trimmed))
    if len(tokens) < 2:
        return len(stretch)
    return tokens[-1].start()


def _trailing_figures(line: Line) -> Iterator[Pair]:
    """A line that ends in figures: the words before them are their label; "A 1.00 B 2.00" makes two pairs."""
    text = line.text
    values = find_values(text)
    kept = _tail(text, values)
    if not kept:
        return
    label = text[: kept[0].start]
    inner = [value for value in values if value.end <= kept[0].start and value.kind == "amount"]
    if inner and is_label(text[: inner[0].start]) and is_label(text[inner[-1].end : kept[0].start]):
        yield Pair(tidy_label(text[: inner[0].start]), inner[0].text, (inner[0],), (line,), "row")
        label = text[inner[-1].end : kept[0].start]
    worthy = kept[-1].kind in ("amount", "percent") or len(kept) > 1 or _plain(kept[-1])
    if worthy and ":" not in label.rstrip(" :") and is_label(label):
        yield Pair(tidy_label(label), text[kept[0].start :].strip(), tuple(kept), (line,), "row")


def _tail(text: str, values: Sequence[Value]) -> list[Value]:
    """The figures at the end of a line with nothing but signs between them."""
    kept: list[Value] = []
    end = len(text)
    for value in reversed(values):
        if not _FILLER.match(text[value.end : end]):
            break
        if value.kind == "percent" and len(kept) == 1:
            break
        kept.insert(0, value)
        end = value.start
    return kept


def _plain(value: Value) -> bool:
    """A bare whole number worth a label: not a page number or a year."""
    return value.kind == "number" and len(value.text) >= 4 and not _is_year(value)


def _is_year(value: Value) -> bool:
    return 1900 <= abs(value.number or 0.0) <= 2100 and "," not in value.text
