"""What a PDF page shows besides text: how much of it pictures cover, and how many outlines there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pypdfium2.raw as c

from services.ingest.geometry import Rectangle
from services.ingest.pdf import OpenPage, object_box

# Pages are judged by the first objects of each kind; maps and drawings have hundreds of thousands.
MAX_OBJECTS: Final = 3_000
MAX_DEPTH: Final = 4
# Straight strokes and boxes have at most five segments; a letter has about a dozen.
RULE_SEGMENTS: Final = 5
LETTER_SEGMENTS: Final = 12


@dataclass(frozen=True, slots=True)
class Drawn:
    """Share of the page that pictures cover (0 to 1, overlaps counted twice), and outlines the size of letters."""

    cover: float
    outlines: int


def drawn_on(page: OpenPage) -> Drawn:
    """Looks at the page's objects without decoding a picture."""
    shown = Rectangle(0.0, 0.0, page.frame.width, page.frame.height)
    covered = 0.0
    outlines = 0
    for item in _first_objects(page):
        kind = c.FPDFPageObj_GetType(item)
        if kind == c.FPDF_PAGEOBJ_PATH:
            outlines += _letters(item)
        elif kind == c.FPDF_PAGEOBJ_IMAGE:
            covered += _visible_area(page, item, shown)
        elif kind == c.FPDF_PAGEOBJ_FORM:
            pictures, letters = _form(item, 1)
            outlines += letters
            covered += _visible_area(page, item, shown) if pictures else 0.0
    return Drawn(min(covered / shown.area, 1.0) if shown.area else 0.0, outlines)


def _first_objects(page: OpenPage) -> Iterator[Any]:
    for index in range(min(c.FPDFPage_CountObjects(page.page), MAX_OBJECTS)):
        yield c.FPDFPage_GetObject(page.page, index)


def _visible_area(page: OpenPage, item: Any, shown: Rectangle) -> float:
    box = object_box(page.frame, item)
    return box.intersection(shown).area if box else 0.0


def _letters(path: Any) -> int:
    segments: int = c.FPDFPath_CountSegments(path)
    return -(-segments // LETTER_SEGMENTS) if segments > RULE_SEGMENTS else 0


def _form(form: Any, depth: int) -> tuple[bool, int]:
    """Whether a form XObject holds a picture, and how many letter-like outlines; its bounds stand for the picture's."""
    pictures, letters = False, 0
    for index in range(min(c.FPDFFormObj_CountObjects(form), MAX_OBJECTS)):
        item = c.FPDFFormObj_GetObject(form, index)
        kind = c.FPDFPageObj_GetType(item)
        if kind == c.FPDF_PAGEOBJ_IMAGE:
            pictures = True
        elif kind == c.FPDF_PAGEOBJ_PATH:
            letters += _letters(item)
        elif kind == c.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
            inner_pictures, inner_letters = _form(item, depth + 1)
            pictures, letters = pictures or inner_pictures, letters + inner_letters
    return pictures, letters
