"""What a business paper says at its head without a label: who issued it, from where, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from services.analysis.metrics import Metric
from services.analysis.reading import Document, Line
from services.analysis.values import Value, find_dates

_COMPANY: Final = re.compile(
    r"\b(?:inc|ltd|limited|llc|llp|gmbh|b\.?v|s\.?a|sarl|plc|corp(?:oration)?|co|pvt|sdn\.? bhd|enterprises?|"
    r"restaurant|restoran|trading|store|stores|services|company)\b\.?|लिमिटेड|प्राइवेट",
    re.IGNORECASE,
)
_ADDRESS_END: Final = re.compile(r"[:#@]|\b(?:tel|fax|phone|gst|reg|invoice|bill|date|www)\b|^\W*\(", re.IGNORECASE)
_STREET: Final = re.compile(
    r"\b(?:street|road|avenue|lane|drive|boulevard|square|jalan|lorong|nagar|marg|rue|stra(?:ss|ß)e|straat|weg|calle|via|"
    r"floor|building|block|suite|lot)\b|\bno\.?\s?\d|मार्ग|नगर|रोड",
    re.IGNORECASE,
)
_POSTCODE: Final = re.compile(r"\b(?:\d{5,6}(?:-\d{4})?|\d{4}\s?[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})\b")
_NUMERALS: Final = re.compile(r"\d+")


def headline(document: Document, found: dict[str, Metric]) -> Iterator[Metric]:
    """What a business paper says without a label: its date, who issued it and where."""
    lines = [line for page in document.pages[:1] for line in page.lines]
    if "date" not in found:
        for line in lines:
            if dates := find_dates(line.text):
                yield Metric("date", dates[0], (line,), 9.0)
                break
    issuer = _issuer(lines)
    if issuer is None:
        return
    yield Metric("issuer", Value(lines[issuer].text, "text"), (lines[issuer],), 9.0)
    address = _address(lines[issuer + 1 : issuer + 8])
    if address:
        yield Metric("address", Value(" ".join(line.text for line in address), "text"), tuple(address), 8.0)


def _issuer(lines: Sequence[Line]) -> int | None:
    """The place of the first line that names a company, or the fuller form of that name just after it."""
    named = [place for place, line in enumerate(lines) if _names_company(line.text)]
    if not named:
        return next((n for n, line in enumerate(lines[:4]) if " " in line.text and _plain_name(line.text)), None)
    first = lines[named[0]].text.rstrip(".")
    return next((place for place in named[1:3] if first in lines[place].text), named[0])


def _names_company(text: str) -> bool:
    return bool(_COMPANY.search(text)) and len(text) <= 60 and _plain_name(text)


def _plain_name(text: str) -> bool:
    return (
        text[0].isupper()
        and not any(c.isdigit() for c in text)
        and not re.search(r"[:?!]|invoice|receipt", text, re.IGNORECASE)
    )


def _address(lines: Sequence[Line]) -> list[Line]:
    """The lines from the first one with a number up to a phone number or label, if they look like an address."""
    taken: list[Line] = []
    for line in lines:
        ends = _ADDRESS_END.search(line.text)
        if ends and taken:
            break
        if not ends and (taken or (" " in line.text and _NUMERALS.search(line.text))):
            taken.append(line)
    return taken if any(_POSTCODE.search(line.text) or _STREET.search(line.text) for line in taken) else []
