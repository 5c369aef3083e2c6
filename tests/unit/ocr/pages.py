"""Pages that the tests draw for themselves."""

from __future__ import annotations

import io
from pathlib import Path

import pypdfium2 as pdfium
from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas

from services.ocr.engine import Engine, Layout, Recognized

SENTENCES = (
    "The harbour office opens at seven in the morning.",
    "Every vessel must report its cargo before noon.",
    "Fees are due within thirty days of the invoice.",
    "Letters for the captain are kept at the front desk.",
    "The northern gate remains closed during winter.",
    "Visitors should bring a valid travel document.",
)


def drawn(lines: tuple[str, ...] = SENTENCES, size: int = 34, page: tuple[int, int] = (1100, 700)) -> Image.Image:
    """Black lines on white, each 60 pixels under the one before for the usual size."""
    picture = Image.new("L", page, 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=size)
    for row, line in enumerate(lines):
        draw.text((size * 2, size * 2 + row * size * 1.8), line, fill=0, font=font)
    return picture


def pdf_of(picture: Image.Image, path: Path, dpi: float = 200, password: str | None = None) -> Path:
    """A one-page PDF that is nothing but the picture, at that resolution."""
    size = (picture.width * 72 / dpi, picture.height * 72 / dpi)
    canvas = Canvas(str(path), pagesize=size, encrypt=password)
    canvas.drawInlineImage(picture, 0, 0, *size)
    canvas.save()
    return path


def rotated(path: Path, rotate: int) -> Path:
    """The PDF with /Rotate on its first page."""
    document = pdfium.PdfDocument(path.read_bytes())
    document[0].set_rotation(rotate)
    document.save(path)
    document.close()
    return path


def empty_pdf(path: Path, width: float, height: float) -> Path:
    """A page of that many points with nothing on it."""
    canvas = Canvas(str(path), pagesize=(width, height))
    canvas.showPage()
    canvas.save()
    return path


def png(picture: Image.Image, **options: object) -> bytes:
    """The picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


class Spy:
    """An engine that remembers what it was asked to read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.version, self.languages = engine.name, engine.version, engine.languages
        self.asked: list[tuple[tuple[int, int], Layout]] = []

    def recognize(self, image: Image.Image, languages: str, dpi: int, layout: Layout = Layout.PAGE) -> Recognized:
        self.asked.append((image.size, layout))
        return self._engine.recognize(image, languages, dpi, layout)
