"""Whether the text layer of a page can be used, or the page's picture has to be read instead."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from services.ingest.characters import LINE_END_HYPHEN
from services.ingest.geometry import Rectangle
from services.ingest.pdf import OpenPage
from services.ingest.pictures import Drawn, drawn_on

# Fewer readable characters than this beside a picture are a stamp or a page number and not the page's text.
FEW_CHARACTERS: Final = 24
# A running head and foot, or a "downloaded from" stamp along the margins of a scan, stay below this.
MARGINAL_CHARACTERS: Final = 400
# Shares of the page's area.
SCAN_COVER: Final = 0.5
PICTURE_COVER: Final = 0.02
MARGIN: Final = 0.12
# Share of unusable characters from which a text layer is gibberish, and the least number to judge by.
GIBBERISH: Final = 0.3
SAMPLE: Final = 200
# So many outlines on a page without text are letters drawn as shapes.
OUTLINED_TEXT: Final = 40

_UNUSABLE: Final = frozenset({"Cc", "Co", "Cn", "Cs"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the page's picture has to be read, and why, in a word."""

    needs_ocr: bool
    reason: str


def judge(page: OpenPage) -> Verdict:
    """Reads the text layer, and looks at pictures and shapes only where the text leaves a doubt.

    A recognised text layer over a scan is text like any other. A page that shows nothing needs no reading.
    """
    text = page.characters()
    readable = sum(map(str.isalnum, text))
    if _gibberish(page, text):
        return Verdict(True, "gibberish_text")
    if readable >= MARGINAL_CHARACTERS:
        return Verdict(False, "text")
    drawn = drawn_on(page)
    if readable < FEW_CHARACTERS:
        return _judge_bare(readable, drawn)
    if drawn.cover >= SCAN_COVER and _marginal(page):
        return Verdict(True, "picture_with_marginal_text")
    return Verdict(False, "text")


def _judge_bare(readable: int, drawn: Drawn) -> Verdict:
    if drawn.cover >= (SCAN_COVER if readable else PICTURE_COVER):
        return Verdict(True, "picture")
    if drawn.outlines >= OUTLINED_TEXT:
        return Verdict(True, "outlined_text")
    return Verdict(False, "text" if readable else "blank")


def _gibberish(page: OpenPage, text: str) -> bool:
    """Most of the layer has no meaning: replacement, private, control characters, or glyphs without a mapping."""
    visible = "".join(text.split())
    if len(visible) < FEW_CHARACTERS:
        return False
    places = range(0, len(text), max(1, len(visible) // SAMPLE))
    sample = [place for place in places if not text[place].isspace() and text[place] != LINE_END_HYPHEN]
    bad = sum(_unusable(text[place]) or page.is_unmapped(place) for place in sample)
    return bool(bad >= GIBBERISH * len(sample))


def _unusable(sign: str) -> bool:
    if sign < "\x7f":
        return sign < " "
    return sign == "\ufffd" or unicodedata.category(sign) in _UNUSABLE


def _marginal(page: OpenPage) -> bool:
    """No text stands within the middle of the page."""
    frame = page.frame
    inner = Rectangle(
        frame.width * MARGIN, frame.height * MARGIN, frame.width * (1 - MARGIN), frame.height * (1 - MARGIN)
    )
    return not any(box.intersection(inner).area > 0.5 * box.area for box in page.rectangles(0, -1))
