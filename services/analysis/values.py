"""Amounts, percentages, dates, numbers and identifiers in running text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from services.analysis.words import DEVANAGARI_DIGITS

Kind = Literal["amount", "percent", "date", "number", "identifier", "text"]

_CURRENCY_SIGNS: Final = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "RS": "INR", "RS.": "INR", "रु": "INR",
    "रु.": "INR", "रू": "INR", "रुपये": "INR", "रुपए": "INR", "RM": "MYR", "₽": "RUB", "₩": "KRW", "R$": "BRL",
}  # fmt: skip
_CODES: Final = r"USD|EUR|GBP|INR|JPY|CNY|CHF|CAD|AUD|NZD|SGD|HKD|MYR|SEK|NOK|DKK|PLN|CZK|ZAR|BRL|MXN|AED|THB|IDR"
_SIGN: Final = rf"(?:US\$|R\$|[$€£¥₹₽₩฿]|(?<![A-Za-z])(?:{_CODES}|RM|Rs\.?)(?![A-Za-z])|रुपये|रुपए|रु\.?|रू)"
_DIGITS: Final = r"\d{1,3}(?:[,.'’\u00a0\u202f]\d{2,3})*[,.'’\u00a0\u202f]\d{3}(?:[.,]\d{1,4})?|\d+(?:[.,]\d+)?"
_SCALES: Final = {
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "mn": 1e6, "bn": 1e9, "lakh": 1e5, "lakhs": 1e5,
    "crore": 1e7, "crores": 1e7, "cr": 1e7, "हजार": 1e3, "हज़ार": 1e3, "लाख": 1e5, "करोड\u093c": 1e7,
    "करो\u095c": 1e7, "अरब": 1e9, "k": 1e3, "m": 1e6, "b": 1e9,
}  # fmt: skip
_SCALE: Final = (
    r"(?:\s?(?:thousand|million|billion|trillion|mn|bn|lakhs?|crores?|cr)\b"
    r"|\s?(?:हजार|हज़ार|लाख|करोड\u093c|करो\u095c|अरब)|[kKmMbB]\b)"
)
_NUMBER: Final = re.compile(
    rf"(?<![\d.,/])(?P<digits>{_DIGITS})(?P<scale>{_SCALE})?"
    rf"(?P<after>\s?(?:%|percent\b|per cent\b|प्रतिशत|{_SIGN}|dollars\b|euros\b|rupees\b))?(?![\w/]|[.,]\d)"
)
_PREFIX: Final = re.compile(rf"(?:(?P<before>{_SIGN})\s?)?(?P<minus>[-−–(]\s?)?(?:(?P<sign>{_SIGN})\s?)?\Z")
_PREFIX_REACH: Final = 10
_MAX_DIGITS: Final = 30
_PERCENT: Final = frozenset({"%", "percent", "per cent", "प्रतिशत"})
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan janvier januari januar enero जनवरी",
            "february feb février februari februar febrero फरवरी फ़रवरी",
            "march mar mars maart märz marzo मार्च", "april apr avril abril अप्रैल", "may mai mei mayo मई",
            "june jun juin juni junio जून", "july jul juillet juli julio जुलाई", "august aug août augustus agosto अगस्त",
            "september sep sept septembre septiembre सितंबर सितम्बर", "october oct octobre oktober octubre अक्टूबर अक्तूबर",
            "november nov novembre noviembre नवंबर नवम्बर", "december dec décembre dezember diciembre दिसंबर दिसम्बर",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
DATE: Final = re.compile(
    rf"(?<![\w/.-])(?:(?P<y1>\d{{4}})[-/.](?P<m1>\d{{1,2}})[-/.](?P<d1>\d{{1,2}})"
    rf"|(?P<d2>\d{{1,2}})[-/.](?P<m2>\d{{1,2}})[-/.](?P<y2>\d{{4}}|\d{{2}})"
    rf"|(?P<d3>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s-](?:of\s)?(?P<m3>{_MONTH})\.?[\s,-]+(?P<y3>\d{{4}}|\d{{2}}(?!\d|:))"
    rf"|(?P<m4>{_MONTH})\.?\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\s?,?\s(?P<y4>\d{{4}}))(?![\w/]|-\d)",
    re.IGNORECASE,
)
IDENTIFIER: Final = re.compile(r"#?\s?(?=[A-Z0-9/_.-]*\d)[A-Z0-9][A-Z0-9/_.-]{2,}(?<![.-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is printed, its kind, and what it means where that can be told.

    `number` has its scale word applied ("1.2 million" → 1200000.0, "12 %" → 12.0); `day` is ISO 8601.
    """

    text: str
    kind: Kind
    start: int = 0
    end: int = 0
    number: float | None = None
    currency: str | None = None
    day: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{text, kind}` and, where known, `number`, `currency`, `date`."""
        extra = {"number": self.number, "currency": self.currency, "date": self.day}
        return {"text": self.text, "kind": self.kind} | {
            name: value for name, value in extra.items() if value is not None
        }


def find_values(text: str) -> list[Value]:
    """Dates, amounts, percentages and numbers of a line, from left to right, none inside another."""
    dates = find_dates(text)
    numbers = [value for match in _NUMBER.finditer(text) if (value := _numeric(text, match)) is not None]
    if not dates:
        return numbers
    apart = [value for value in numbers if not any(value.start < day.end and value.end > day.start for day in dates)]
    return sorted(dates + apart, key=lambda value: value.start)


def find_dates(text: str) -> list[Value]:
    """The calendar dates of a text; impossible ones are left out."""
    return [
        Value(match[0], "date", match.start(), match.end(), day=day)
        for match in DATE.finditer(text)
        if (day := _iso(match)) is not None
    ]


def parse_number(digits: str) -> float:
    """Read digits with grouping and decimal signs of any habit: "1,234.5", "1.234,5", "1,23,456", "56,02".

    A lone comma before three digits groups ("1,234"); a lone dot there is decimal only if it stands alone.
    """
    plain = re.sub(r"[\s'’\u00a0\u202f]", "", digits.translate(DEVANAGARI_DIGITS))
    comma, dot = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and dot >= 0:
        group, point = (",", ".") if dot > comma else (".", ",")
        return float(plain.replace(group, "").replace(point, "."))
    if plain.count(".") > 1:
        return float(plain.replace(".", ""))
    if comma >= 0 and (plain.count(",") > 1 or len(plain) - comma == 4):
        return float(plain.replace(",", ""))
    return float(plain.replace(",", "."))


def _numeric(text: str, match: re.Match[str]) -> Value | None:
    """The figure at a match with the sign and currency before it; None inside a word ("A4", "x86")."""
    start, end = match.span()
    prefix = _PREFIX.search(text, max(0, start - _PREFIX_REACH), start)
    if prefix is None or len(match["digits"]) > _MAX_DIGITS:
        return None
    if prefix.start() == start and start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        return None
    negative, begin = _sign(text, prefix, start, end)
    after = (match["after"] or "").strip()
    if after not in _PERCENT and (prefix["before"] or prefix["sign"]):
        end = match.end("scale") if match["scale"] else match.end("digits")
    if negative and "(" in text[begin:start]:
        end += 1
    scale = (match["scale"] or "").strip().casefold()
    number = parse_number(match["digits"]) * _SCALES.get(scale, 1.0) * (-1.0 if negative else 1.0)
    if after in _PERCENT:
        return Value(text[begin:end], "percent", begin, end, number)
    currency = _currency((prefix["before"] or prefix["sign"] or after).strip())
    decimals = match["digits"][-3:-2] in (".", ",")
    return Value(
        text[begin:end], "amount" if currency or decimals else "number", begin, end, round(number, 6), currency
    )


def _sign(text: str, prefix: re.Match[str], start: int, end: int) -> tuple[bool, int]:
    """Whether what stands before a number negates it (a minus, or an accountant's brackets), and where it begins.

    A dash right after a word or number joins the two and is left out, as is a bracket that opens a remark.
    """
    mark = (prefix["minus"] or "").strip()
    if not mark:
        return False, prefix.start()
    joined = prefix.start() > 0 and text[prefix.start() - 1].isalnum()
    negative = text[end : end + 1] == ")" if mark == "(" else mark != "–" and not joined
    if negative:
        return True, prefix.start()
    return False, prefix.start("sign") if prefix["sign"] else start


def _currency(sign: str) -> str | None:
    named = {"dollars": "USD", "euros": "EUR", "rupees": "INR"}
    if not sign or sign[0] == "%":
        return None
    return _CURRENCY_SIGNS.get(sign.upper()) or named.get(sign) or (sign.upper() if sign.isascii() else None)


def _iso(match: re.Match[str]) -> str | None:
    """The date of a match; of 03/04/2020 the day is read first unless it can only be the month."""
    for form in "1234":
        year, month, day = match[f"y{form}"], match[f"m{form}"], match[f"d{form}"]
        if year is None:
            continue
        number = _MONTHS[month.casefold()] if form in "34" else int(month)
        first, years = int(day), int(year) + (2000 if len(year) == 2 else 0)
        if number > 12 >= first:
            first, number = number, first
        try:
            return date(years, number, first).isoformat()
        except ValueError:
            return None
    return None
