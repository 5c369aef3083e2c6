"""Documents made for measurements: every page of its own words, and of about as many as a printed page has."""

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.support.documents import page_image

_ONE_PAGE = Path(__file__).parent.parent / "samples" / "one-page.pdf"
_LINES, _WORDS_A_LINE, _WORDS_A_SCANNED_LINE = 42, 12, 10
_WORDS = """
    account address agreement amount annual answer balance before between branch budget building business carrier
  certain change charge city claim clause client close company condition contract cost country credit customer
  date debt delivery department deposit district document due early east effect employee end entry equal estate
  evening exchange expense fact factory fee figure file final finance first five follow foreign form forward four
  freight full fund future general goods government grant great group growth half harbour head held high holder
  house hundred import income increase industry insurance interest invoice issue item january journal june key
  labour land large last later law lease ledger letter liability limit line list loan local loss machine mail
  manager march market material matter measure member method million minute model month morning nature net next
  nine north note notice number october offer office old open order other owner page paper part party payment
  percent period person place plan point policy port position power present price profit project property public
  purchase purpose quality quantity quarter question railway rate reason receipt record region report reserve
  result return revenue right road sale schedule second section security service share ship short side signed
""".split()


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
        block.textLines("\n".join(_lines(number, _WORDS_A_LINE)))
        canvas.drawText(block)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def scanned_pdf(pages: int) -> bytes:
    """A PDF of page images at 200 dpi, each with some 400 words and no text layer."""
    output = BytesIO()
    first, *rest = (_scan(number) for number in range(1, pages + 1))
    first.save(output, "PDF", save_all=True, append_images=rest, resolution=200.0, quality=85)
    return output.getvalue()


def _scan(number: int) -> Image.Image:
    return page_image("\n".join(_lines(number, _WORDS_A_SCANNED_LINE)))


def _lines(page: int, words: int) -> Iterator[str]:
    """The words of a page are the same in every run."""
    chosen = random.Random(page)
    yield f"Page {page}"
    for _ in range(_LINES - 1):
        yield " ".join(chosen.choices(_WORDS, k=words))
