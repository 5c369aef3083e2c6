"""The greyscale picture of one page of a PDF or an image file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services.ocr.faults import PageFault

if TYPE_CHECKING:
    from PIL import Image

POINTS_PER_INCH = 72.0
MAX_PIXELS = 100_000_000
MAX_SIDE = 32_000
"""Tesseract refuses pictures with a side over 32,767 pixels."""
MIN_DPI = 50.0
"""Below this no body text is legible; 14,400 points square, the most that PDF 1.7 allows, still fit."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as a reader sees it. `width` and `height` are points, `dpi` is what the picture really has."""

    image: Image.Image
    dpi: float
    width: float
    height: float


def render(path: Path, mime_type: str, number: int, dpi: int = 200, password: str | None = None) -> RenderedPage:
    """Render page `number` (from 1) in mode L at about `dpi` dots an inch.

    Raises PageFault `unreadable_page`, `page_too_large` or `password_required`.
    """
    if mime_type == "application/pdf":
        from services.ocr.render_pdf import render_pdf  # pdfium is 20 MB that pictures do not need

        return render_pdf(path, number, dpi, password)
    from services.ocr.render_image import render_image

    return render_image(path, number, dpi)


def fitting_dpi(width: float, height: float, dpi: float) -> float:
    """The most dots an inch, up to `dpi`, at which a page of that many points is within the limits.

    Raises PageFault `page_too_large` where that would be under MIN_DPI.
    """
    inches = (max(width, 1.0) / POINTS_PER_INCH, max(height, 1.0) / POINTS_PER_INCH)
    fitting = min(dpi, math.sqrt(MAX_PIXELS / (inches[0] * inches[1])), MAX_SIDE / max(inches))
    if fitting < min(dpi, MIN_DPI):
        raise PageFault("page_too_large", f"The page is {inches[0]:.0f} by {inches[1]:.0f} inches, too large to read.")
    return fitting
