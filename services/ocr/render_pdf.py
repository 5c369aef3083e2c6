"""Pages of PDF files, by pdfium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from mesh.memory_files import readable
from services.ocr.faults import PageFault
from services.ocr.render import POINTS_PER_INCH, RenderedPage, fitting_dpi

_LARGEST_PAPER = 17 * POINTS_PER_INCH
"""Long side of tabloid and A3; scans placed larger than that have a wrong resolution rather than a larger paper."""


def render_pdf(path: Path, number: int, dpi: int, password: str | None) -> RenderedPage:
    """Page `number` with its annotations and filled form fields, its /Rotate applied."""
    try:
        with _document(path, password) as document, _page(document, number) as page:
            width, height = page.get_size()
            fitting = fitting_dpi(width, height, min(dpi, _useful_dpi(page, max(width, height))))
            bitmap = page.render(scale=fitting / POINTS_PER_INCH, grayscale=True, may_draw_forms=True)
            image = bitmap.to_pil()
            bitmap.close()
    except pdfium.PdfiumError as error:
        raise _fault(error) from error
    return RenderedPage(image, fitting, width, height)


@contextmanager
def _document(path: Path, password: str | None) -> Iterator[pdfium.PdfDocument]:
    document = pdfium.PdfDocument(readable(path), password=password)
    try:
        if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
            document.init_forms()
        yield document
    finally:
        document.close()


@contextmanager
def _page(document: pdfium.PdfDocument, number: int) -> Iterator[pdfium.PdfPage]:
    if not 1 <= number <= len(document):
        raise PageFault("unreadable_page", f"The document has no page {number}.")
    page = document[number - 1]
    try:
        yield page
    finally:
        page.close()


def _useful_dpi(page: pdfium.PdfPage, long_side: float) -> float:
    """Dots an inch that the scan on a page has, for oversized pages that are nothing but one; else no limit."""
    if long_side <= _LARGEST_PAPER:
        return float("inf")
    items = list(page.get_objects(max_depth=1))
    if len(items) != 1 or not isinstance(items[0], pdfium.PdfImage):
        return float("inf")
    return float(max(items[0].get_px_size()) * POINTS_PER_INCH / long_side)


def _fault(error: pdfium.PdfiumError) -> PageFault:
    if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
        return PageFault("password_required", "The document is encrypted and its password is missing or wrong.")
    return PageFault("unreadable_page", "The page cannot be opened: the file is damaged or is not a PDF.")
