"""Which kind of document this is, by weighted cues.

Each cue found adds its weight once, and half of it again where it stands among the first lines. Scores are turned
into shares by a softmax; `other` has the fixed score that a kind must beat.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from services.analysis.reading import Document, Line

_HEAD_LINES: Final = 25
_READ_CHARS: Final = 60_000
_OTHER: Final = 2.5
_TEMPERATURE: Final = 1.5
_NOT_WORD: Final = re.compile(r"[^\w\u0900-\u0963\n☐☑□•&]+")

# A kind in brackets, then its cues: a weight and phrases parted by "|" (an indented line goes on with the cue before).
# Phrases are whole words in lower case without punctuation; "^" and "$" tie one to the start and end of a line, "*"
# leaves a word open at that side.
_CUES: Final = """
[invoice]
4 invoice|facture|factuur|rechnung|fattura|factura|बीजक|इनवॉइस|बिल संख्या
2 invoice no|invoice number|invoice date|factuurnummer|factuurdatum|factuur datum|facture n
   |rechnungsnummer
2 bill to|ship to|billing address|shipping address|amount due|payment terms|due date|vervaldatum
   |remittance
1 vat|gst|tva|btw|mwst|iva
1 iban|swift|bic
1 subtotal|sub total|subtotaal|total ht|total ttc|totaal|grand total|कुल राशि
[receipt]
3 receipt|रसीद
3 ^cash
1 ^change
2 cashier|^server
2 rounding|round adj|rounding adj|roundlng
2 come again|goods sold are not ret*|thank you for your purchase|thank you for shopping
1 tax invoice
1 table no|pax
1 item qty|qty description|description qty|qty tax
[contract]
4 this agreement|services agreement|license agreement|lease agreement|employment agreement
   |purchase agreement|contract no|this contract|अनुबंध
2 hereinafter|in witness whereof|the parties|by and between
1.5 indemnif*|governing law|termination of this|terminate this|breach
1 shall
1 obligations|liabilit*
[financial report]
3 annual report|quarterly report|earnings release|financial statements|financial results|वित्तीय विवरण
   |वार्षिक रिपोर्ट
2 balance sheet*|income statement*|cash flows|statements of operations|results of operations
2 net income|operating income|operating expenses|ebitda|revenue*|शुद्ध लाभ|राजस्व
1.5 fiscal year|fiscal quarter|first quarter|second quarter|third quarter|fourth quarter|year ended
   |quarter ended
1.5 shareholders|stockholders|earnings per share|form 10 k|form 10 q|form 8 k|dividend*
1 in thousands|in millions
[letter]
4 ^dear|^to whom it may concern|^महोदय|^प्रिय
3 ^yours sincerely|^yours faithfully|^yours truly|^best regards|^kind regards|^sincerely|^very truly yours
   |^भवदीय
1 enclosed|enclosure*
1 ^re|^subject|^विषय
[form]
3 application form|please print|please complete|please fill|आवेदन पत्र|fill in|fill out
2 *______*
2 ☐*|☑*|□*|check one|check all that apply
1.5 signature|हस्ताक्षर
1 date of birth|जन्म तिथि
1 ^name$|^first name|^last name|^given name|^family name|^full name
[scientific article]
3 ^abstract|abstract we
3 references$|^bibliography$
2 et al
1.5 doi|arxiv|journal of|proceedings
1.5 introduction$
1.5 we propose|we present|we show|we study|we find|we prove|we compare
1 hypothes*|experiment*|theorem|dataset*
1 figure 1|fig 1|table 1
[manual]
4 user manual|users manual|user guide|owners manual|reference manual|instruction manual
   |administrator guide|architecture manual|installation guide|service manual|reference guide|user s guide
   |owner s manual
2 troubleshooting|getting started|installation
2 click|press the|to install|to configure|to enable|to set up
1.5 warning|caution
1 table of contents|^contents$
1 specification*|chapter 1|appendix a
[resume]
4 curriculum vitae|^resume$|^résumé$|जीवनवृत्त
2.5 work experience|professional experience|employment history
2 ^education$|^skills$|^experience$
1 linkedin|references available
1 bachelor|master of|b sc|m sc
[legal filing]
4 supreme court|district court|superior court|high court|circuit court|court of|न्यायालय
3 plaintiff*|defendant*|appellant*|petitioner*|indictment
2 case no|docket|cause no
2 motion to|motion for|complaint|grand jury|judgment|judgement
1 counsel|attorney for|attorneys for|u s c
[presentation]
2 slide|slides|presentation
1.5 ^outline$|^agenda$|^overview$
2 ^questions$|^thank you$|^q & a$
1 ^•*
"""


def _compile(phrase: str) -> tuple[str, str]:
    """A phrase as it stands in the normal form of the text, and its first word where that must be a whole one.

    Looking that word up in the set of all words first spares most of the searching.
    """
    head = "" if phrase.startswith("*") else "\n " if phrase.startswith("^") else " "
    tail = "" if phrase.endswith("*") else " \n" if phrase.endswith("$") else " "
    bare = phrase.strip("*^$")
    first = bare.split()[0]
    return head + bare + tail, "" if first == bare and "*" in phrase else first


def _parse(table: str) -> dict[str, list[tuple[float, list[tuple[str, str]]]]]:
    """Kind → [(weight, [(needle, first word), …]), …]."""
    kinds: dict[str, list[tuple[float, list[tuple[str, str]]]]] = {}
    for line in table.strip().replace("\n   |", "|").splitlines():
        if line.startswith("["):
            cues = kinds.setdefault(line.strip("[]"), [])
        else:
            weight, _, phrases = line.partition(" ")
            cues.append((float(weight), [_compile(phrase) for phrase in phrases.split("|")]))
    return kinds


_COMPILED: Final = _parse(_CUES)
KINDS: Final = (*_COMPILED, "other")


@dataclass(frozen=True, slots=True)
class Label:
    """A kind, its share of the belief (0–1), and the line of its strongest cue (None for `other`)."""

    kind: str
    score: float
    line: Line | None

    def as_json(self) -> dict[str, Any]:
        """`{label, score}`."""
        return {"label": self.kind, "score": round(self.score, 3)}


def classify(document: Document) -> list[Label]:
    """All kinds, the likeliest first; scores add up to 1."""
    lines = _leading_lines(document)
    text = _normal("\n".join(line.text for line in lines))
    head = len(_normal("\n".join(line.text for line in lines[:_HEAD_LINES])))
    vocabulary = set(text.split())
    found = {kind: _score(kind, text, vocabulary, head) for kind in _COMPILED}
    if _sparse(document):
        found["presentation"] = (found["presentation"][0] + 2.5, found["presentation"][1])
    raw = {kind: score for kind, (score, _) in found.items()} | {"other": _OTHER}
    total = sum(math.exp(score / _TEMPERATURE) for score in raw.values())
    labels = []
    for kind, score in raw.items():
        at = found[kind][1] if kind in found else -1
        line = lines[text.count("\n", 0, at + 1) - 1] if at >= 0 else None
        labels.append(Label(kind, math.exp(score / _TEMPERATURE) / total, line))
    return sorted(labels, key=lambda label: -label.score)


def _leading_lines(document: Document) -> list[Line]:
    lines: list[Line] = []
    size = 0
    for line in document.lines:
        size += len(line.text)
        if size > _READ_CHARS:
            break
        lines.append(line)
    return lines


def _normal(text: str) -> str:
    r"""Lower case, words parted by spaces, each line between " \n ", so that phrases can be looked up as they are."""
    return "\n " + _NOT_WORD.sub(" ", text.lower()).replace("\n", " \n ").replace("  ", " ") + " \n"


def _score(kind: str, text: str, vocabulary: set[str], head: int) -> tuple[float, int]:
    """The weight of the cues of a kind, and where the strongest one stands (-1 where none does)."""
    score, strongest, at = 0.0, 0.0, -1
    for weight, phrases in _COMPILED[kind]:
        places = [text.find(phrase) for phrase, first in phrases if not first or first in vocabulary]
        place = min((place for place in places if place >= 0), default=-1)
        if place < 0:
            continue
        gained = weight * (1.5 if place < head else 1.0)
        score += gained
        if gained > strongest:
            strongest, at = gained, place
    return score, at


def _sparse(document: Document) -> bool:
    """Slides: several pages, each of few words."""
    sizes = sorted(sum(len(line.text) for line in page.lines) for page in document.pages)
    return len(sizes) >= 5 and 0 < sizes[len(sizes) // 2] < 600
