"""Documents made for measurements, every page of its own words; `words.txt` has the vocabulary."""

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.support.documents import page_image

_ONE_PAGE = Path(__file__).parent.parent / "samples" / "one-page.pdf"
_LINES, _WORDS_A_LINE = 42, 12
_SCANNED_LINES, _WORDS_A_SCANNED_LINE = 24, 8
_WORDS = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()


def one_page_pdf() -> bytes:
    """The one-page sample."""
    return _ONE_PAGE.read_bytes()


def text_pdf(pages: int) -> bytes:
    """A born-digital A4 PDF, each page with some 500 words in one column."""
    output = BytesIO()
    canvas = Canvas(output, pagesize=A4, invariant=1)
    for number in range(1, pages + 1):
        block = canvas.beginText(60, A4[1] - 60)
        block.setFont("Helvetica", 10, leading=16)
        block.textLines("\n".join(_lines(number, _LINES, _WORDS_A_LINE)))
        canvas.drawText(block)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def scanned_pdf(pages: int) -> bytes:
    """A PDF of page images at 200 dpi, each with some 190 words and no text layer."""
    output = BytesIO()
    first, *rest = (_scan(number) for number in range(1, pages + 1))
    first.save(output, "PDF", save_all=True, append_images=rest, resolution=200.0, quality=85)
    return output.getvalue()


def _scan(number: int) -> Image.Image:
    return page_image("\n".join(_lines(number, _SCANNED_LINES, _WORDS_A_SCANNED_LINE)))


def _lines(page: int, lines: int, words: int) -> Iterator[str]:
    """The words of a page are the same in every run."""
    chosen = random.Random(page)
    yield f"Page {page}"
    for _ in range(lines - 1):
        yield " ".join(chosen.choices(_WORDS, k=words))
