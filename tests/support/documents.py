"""Documents made in memory for tests: good ones, and in `hostile` the ones that attack or are damaged."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

from tests.support.hostile import (
    broken_page_pdf,
    empty_pdf,
    huge_page_pdf,
    not_a_document,
    object_bomb_pdf,
    page_bomb_image,
)

__all__ = [
    "SCANNED_TEXT",
    "TABLE_ROWS",
    "TEXT",
    "broken_page_pdf",
    "empty_pdf",
    "encrypted_pdf",
    "huge_page_pdf",
    "jpeg",
    "mixed_pdf",
    "not_a_document",
    "object_bomb_pdf",
    "page_bomb_image",
    "png",
    "scanned_pdf",
    "table_pdf",
    "text_pdf",
    "tiff",
    "truncated_pdf",
]

TEXT = "Page {page} of a plain document.\nThe total of 42.50 EUR was paid on 3 May 2026."
SCANNED_TEXT = "Scanned page {page}\nThe harbour office opens at nine.\nInvoice total 318.40 EUR"
TABLE_ROWS = (
    ("Item", "Quantity", "Price"),
    ("Hammer", "3", "12.50"),
    ("Saw", "1", "24.00"),
    ("Nails", "200", "8.75"),
)

_IMAGE_DPI = 200
_MARGIN = 72  # points


def _on_page(text: str, page: int) -> str:
    return text.replace("{page}", str(page))


def _write(canvas: Canvas, text: str) -> None:
    lines = canvas.beginText(_MARGIN, A4[1] - _MARGIN)
    lines.setFont("Helvetica", 12, leading=16)
    lines.textLines(text, trim=0)
    canvas.drawText(lines)
    canvas.showPage()


def _draw_scan(canvas: Canvas, text: str) -> None:
    canvas.drawImage(ImageReader(BytesIO(jpeg(text))), 0, 0, *A4)
    canvas.showPage()


def _canvas(output: BytesIO, encrypt: StandardEncryption | None = None) -> Canvas:
    return Canvas(output, pagesize=A4, invariant=1, encrypt=encrypt)


def text_pdf(pages: int = 1, text: str = TEXT) -> bytes:
    """A born-digital A4 PDF with `text` on each page; `{page}` in it becomes the page's number, from 1."""
    output = BytesIO()
    canvas = _canvas(output)
    for page in range(1, pages + 1):
        _write(canvas, _on_page(text, page))
    canvas.save()
    return output.getvalue()


def table_pdf(rows: Sequence[tuple[str, ...]] = TABLE_ROWS) -> bytes:
    """One born-digital page with one table whose cells are ruled."""
    output = BytesIO()
    canvas = _canvas(output)
    table = Table(rows, style=TableStyle([("GRID", (0, 0), (-1, -1), 1, colors.black)]))
    _, height = table.wrapOn(canvas, *A4)
    table.drawOn(canvas, _MARGIN, A4[1] - _MARGIN - height)
    canvas.save()
    return output.getvalue()


def scanned_pdf(pages: int = 1, text: str = SCANNED_TEXT) -> bytes:
    """A PDF of page images at 200 dpi that show `text`, without a text layer; `{page}` as in text_pdf."""
    output = BytesIO()
    canvas = _canvas(output)
    for page in range(1, pages + 1):
        _draw_scan(canvas, _on_page(text, page))
    canvas.save()
    return output.getvalue()


def mixed_pdf() -> bytes:
    """Two pages: the first has text, the second is a scan."""
    output = BytesIO()
    canvas = _canvas(output)
    _write(canvas, _on_page(TEXT, 1))
    _draw_scan(canvas, _on_page(SCANNED_TEXT, 2))
    canvas.save()
    return output.getvalue()


def encrypted_pdf(password: str) -> bytes:
    """One page of text that opens with `password` only (RC4, 128 bits)."""
    output = BytesIO()
    canvas = _canvas(output, StandardEncryption(password, ownerPassword=password + "-owner", strength=128))
    _write(canvas, _on_page(TEXT, 1))
    canvas.save()
    return output.getvalue()


def truncated_pdf() -> bytes:
    """The first half of a PDF: its catalogue and cross-reference table never arrived."""
    whole = text_pdf()
    return whole[: len(whole) // 2]


def page_image(text: str) -> Image.Image:
    """A white A4 page at 200 dpi, greyscale, with `text` in black at 12 points."""
    width, height = (round(length * _IMAGE_DPI / 72) for length in A4)
    page = Image.new("L", (width, height), 255)
    font = ImageFont.load_default(size=round(12 * _IMAGE_DPI / 72))
    ImageDraw.Draw(page).multiline_text((200, 200), text, fill=0, font=font, spacing=16)
    return page


def _encoded(page: Image.Image, kind: str) -> bytes:
    output = BytesIO()
    page.save(output, kind, dpi=(_IMAGE_DPI, _IMAGE_DPI))
    return output.getvalue()


def png(text: str) -> bytes:
    """A page image as PNG."""
    return _encoded(page_image(text), "PNG")


def jpeg(text: str) -> bytes:
    """A page image as JPEG."""
    return _encoded(page_image(text), "JPEG")


def tiff(frames: int = 2) -> bytes:
    """A TIFF of several page images; frame n shows SCANNED_TEXT with that number."""
    first, *rest = (page_image(_on_page(SCANNED_TEXT, frame)) for frame in range(1, frames + 1))
    output = BytesIO()
    first.save(output, "TIFF", save_all=True, append_images=rest, compression="tiff_deflate", dpi=(_IMAGE_DPI,) * 2)
    return output.getvalue()
