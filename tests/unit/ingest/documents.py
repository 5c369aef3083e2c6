"""Small documents that the tests make for themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
Painter = Callable[[Canvas], None]


def pdf(path: Path, *pages: Painter, password: str | None = None, title: str = "") -> Path:
    """A PDF file with one page for each painter."""
    encryption = StandardEncryption(password, canPrint=0) if password else None
    canvas = Canvas(str(path), pagesize=A4, encrypt=encryption, invariant=True)
    canvas.setTitle(title)
    for paint in pages:
        paint(canvas)
        canvas.showPage()
    canvas.save()
    return path


def turned(path: Path, degrees: int) -> Path:
    """The file at `path` with its first page rotated clockwise."""
    with pdfium.PdfDocument(path.read_bytes()) as document:
        document[0].set_rotation(degrees)
        document.save(path)
    return path


def text(*lines: str, left: float = 72, top: float = 72, size: float = 11, leading: float = 14) -> Painter:
    """Lines of text below one another; `left` and `top` are points from the upper left corner."""

    def paint(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        for index, line in enumerate(lines):
            canvas.drawString(left, HEIGHT - top - index * leading, line)

    return paint


def together(*painters: Painter) -> Painter:
    """All of them on one page, in this order."""

    def paint(canvas: Canvas) -> None:
        for painter in painters:
            painter(canvas)

    return paint


def cells(rows: Sequence[Sequence[str]], lefts: Sequence[float], top: float = 100, leading: float = 20) -> Painter:
    """The texts of a table, every row at one height, without lines."""

    def paint(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for number, row in enumerate(rows):
            for left, value in zip(lefts, row, strict=True):
                canvas.drawString(left, HEIGHT - top - number * leading, value)

    return paint


def lines(*segments: tuple[float, float, float, float]) -> Painter:
    """Strokes from (x, y) to (x, y), in points from the upper left corner."""

    def paint(canvas: Canvas) -> None:
        for x0, y0, x1, y1 in segments:
            canvas.line(x0, HEIGHT - y0, x1, HEIGHT - y1)

    return paint


def picture(path: Path, size: tuple[int, int] = (300, 400), frames: int = 1, dpi: float | None = None) -> Path:
    """A picture file in the format of its suffix, with `frames` pages if it is a TIFF."""
    pages = []
    for index in range(frames):
        page = Image.new("RGB", size, "white")
        ImageDraw.Draw(page).text((20, 20 + 10 * index), "scanned", fill="black")
        pages.append(page)
    options: dict[str, Any] = {"dpi": (dpi, dpi)} if dpi else {}
    if frames > 1:
        pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    else:
        pages[0].save(path, **options)
    return path


def drawn(path: Path, left: float = 0, top: float = 0, width: float = WIDTH, height: float = HEIGHT) -> Painter:
    """The picture at `path`, by default over the whole page."""

    def paint(canvas: Canvas) -> None:
        canvas.drawImage(str(path), left, HEIGHT - top - height, width, height)

    return paint
