"""Labels of business papers that mean the same, under one name each.

A label of an invoice, receipt or statement ("Factuurnummer", "Inv No.", "बिल संख्या") is given a canonical name
(`invoice_number`) and the kind of value that it must have, in English and Hindi and, for the commonest, in Dutch,
French, German and Spanish. Labels that are not listed keep their own words, as a snake_case name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from services.analysis.values import Kind

_NO: Final = r"\s?(?:no|nos|nr|num|number|nummer|#|n°|nº|id|code|संख्या|क्रमांक|सं)?\.?"

# (name, kinds of value, patterns of the whole label); the first match names the field.
_FIELDS: Final[tuple[tuple[str, frozenset[Kind], tuple[str, ...]], ...]] = (
    (
        "due_date",
        frozenset({"date"}),
        (
            r"(?:payment )?due(?: date)?|date due|pay by|vervaldatum|date d'échéance|échéance|fällig(?:keit)?\w*",
            r"देय तिथि|अंतिम तिथि",
        ),
    ),
    ("order_date", frozenset({"date"}), (r"(?:order|purchase|bestell)\s?(?:date|datum)|date de commande",)),
    (
        "date",
        frozenset({"date"}),
        (
            r"(?:(?:invoice|bill|receipt|issue|document|tax|biz|inv)\s?)?date(?: of (?:issue|invoice))?|dated",
            r"issued(?: on)?",
            r"facture date|factuur\s?datum|rechnungsdatum|datum|date (?:de )?(?:la )?factur\w+|fecha",
            r"दिनांक|तिथि|तारीख|बिल दिनांक",
        ),
    ),
    (
        "invoice_number",
        frozenset({"identifier"}),
        (
            rf"(?:tax\s)?(?:invoice|inv|bill|receipt|doc(?:ument)?|facture|factuur|rechnungs?|factura|fattura)\.?{_NO}",
            r"(?:बिल|चालान|इनवॉइस|बीजक)\s?(?:संख्या|नंबर|क्रमांक|सं\.?)",
        ),
    ),
    (
        "order_number",
        frozenset({"identifier"}),
        (
            r"(?:sales |purchase )?(?:order|bestel)\s?(?:no|nr|number|nummer|#|id)?\.?",
            r"p\.?o\.?\s?(?:no|number|#)\.?|n° de commande",
        ),
    ),
    (
        "customer_number",
        frozenset({"identifier"}),
        (r"(?:customer|client|klant|kunden)\s?(?:no|nr|number|nummer|#|id)\.?",),
    ),
    ("account_number", frozenset({"identifier"}), (r"(?:account|a/c|acct|खाता)\s?(?:no|number|#|संख्या)\.?",)),
    (
        "tax_number",
        frozenset({"identifier"}),
        (
            rf"(?:gst|vat|btw|tva|tin|gstin|pan|vat/tin|service tax|ust-?id\w*)\s?(?:reg(?:istration)?\.?)?{_NO}",
            r"(?:uw )?btw[ -]?(?:nummer|nr)",
        ),
    ),
    ("iban", frozenset({"identifier"}), (r"iban",)),
    ("bic", frozenset({"identifier"}), (r"bic|swift(?: code)?",)),
    (
        "subtotal",
        frozenset({"amount", "number"}),
        (
            r"sub\s?-?total\w*|subtotaal|net(?:to)? amount|amount (?:before|excl\w*) tax|zwischensumme|उप-?योग",
            r"total (?:ht|excl\w*.*|\(excl\w*.*)|total (?:sales )?\(?excl\w*.*|excl\w*\.? btw|exclusief btw",
        ),
    ),
    (
        "tax",
        frozenset({"amount", "number"}),
        (
            r"(?:(?:total|sales|gov|service|estimated) )?(?:tax|vat|gst|tva|btw|mwst|iva)(?: (?:amount|payable))?",
            r"(?:tax|vat|gst|tva|btw|mwst|iva)(?: bedrag)?[\s@(*]*(?:\d+(?:[.,]\d+)?\s?%)?[)*]*",
            r"(?:gst|vat|tax|btw|tva) (?:payable|@)?.*\d+\s?%.*|कर",
        ),
    ),
    (
        "total",
        frozenset({"amount", "number"}),
        (
            r"(?:grand|net|invoice|overall|final|factuur|bill)\s?tota+l",
            r"tota+l(?:\s*\(?(?:incl\w*|rm|ttc|due|amount|payable|amt|price|sum|to pay|for this|à payer).*)?",
            r"amount (?:due|payable|to pay)|balance due|net to pay|te betalen|total sales\s?\(?incl.*",
            r"gesamt(?:betrag|summe)?|montant (?:ttc|total)|importe total|कुल(?: (?:राशि|योग|देय))?.*|देय राशि|योग",
        ),
    ),
    ("payment_method", frozenset({"text"}), (r"payment (?:method|mode|type)|paid by|betaalwijze|mode de paiement",)),
    ("phone", frozenset({"text"}), (r"tel(?:ephone)?(?: no)?\.?|phone(?: no)?\.?|mobile|फ़ोन|फोन",)),
    ("email", frozenset({"text"}), (r"e-?mail(?: address)?|ईमेल",)),
)
_COMPILED: Final = tuple(
    (name, kinds, re.compile(rf"(?:{'|'.join(patterns)})\Z", re.IGNORECASE)) for name, kinds, patterns in _FIELDS
)
_BRACKETS: Final = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*")
_NOT_NAME: Final = re.compile(r"[^\w\u0900-\u0DFF]+")
_ANNEX: Final = re.compile(r"\s*(?:rm|usd|eur|inr|rs|[$€£₹*:])+\s*$", re.IGNORECASE)

# How strongly a label claims to be the amount to pay; of two equals the later one wins.
_TOTAL_CLAIMS: Final = tuple(
    (strength, re.compile(pattern, re.IGNORECASE))
    for strength, pattern in (
        (5, r"grand|net total|amount due|total due|payable|balance due|net to pay|à payer|te betalen|देय"),
        (2.5, r"total sales"),
        (4, r"incl|ttc|inclusive|factuur|invoice"),
        (3, r"\A\W*tota+l\W*(?:rm|[$€₹])?\W*\Z|कुल|योग|gesamt"),
        (1, r"."),
    )
)


@lru_cache(maxsize=4_096)
def canonical(label: str) -> tuple[tuple[str, frozenset[Kind]], ...]:
    """The fields that a label may name, the likeliest first, each with the kinds of value that it takes."""
    tidy = " ".join(label.split())
    for form in dict.fromkeys((tidy, _ANNEX.sub("", tidy), _BRACKETS.sub(" ", tidy).strip())):
        if found := tuple((name, kinds) for name, kinds, pattern in _COMPILED if pattern.match(form)):
            return found
    return ()


def field_name(label: str) -> str:
    """A label as a snake_case name: "Total revenue (net)" → "total_revenue_net"."""
    folded = unicodedata.normalize("NFC", label).casefold()
    return _NOT_NAME.sub("_", folded).strip("_")[:60].rstrip("_")


def total_claim(label: str) -> float:
    """How strongly a label says that its amount is the one to pay, 1 to 5 (sales totals come before rounding)."""
    return next((strength for strength, pattern in _TOTAL_CLAIMS if pattern.search(label)), 0.0)
