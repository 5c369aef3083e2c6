"""What a flatbed scanner does to a clean page: a slight turn, uneven grey paper, blur, noise, and JPEG."""

import time
from collections.abc import Sequence
from io import BytesIO

import numpy
from PIL import Image, ImageFilter

DPI = 200
PAPER = 232  # grey level of the paper, 0 black to 255 white


def _paper(width: int, height: int) -> Image.Image:
    """Grey paper that darkens by 14 levels from its upper left to its lower right corner."""
    across = numpy.linspace(0, 7, width)[None, :]
    down = numpy.linspace(0, 7, height)[:, None]
    return Image.fromarray((PAPER - across - down).astype(numpy.uint8))


def _noisy(page: Image.Image, seed: int) -> Image.Image:
    """Sensor noise with a deviation of 3 levels, and forty specks of dust."""
    random = numpy.random.default_rng(seed)
    levels = numpy.asarray(page).astype(numpy.float32)
    levels += random.normal(0, 3, levels.shape)
    rows, columns = levels.shape
    for row, column in zip(random.integers(0, rows - 3, 40), random.integers(0, columns - 3, 40), strict=True):
        levels[row : row + 2, column : column + 3] = 110
    return Image.fromarray(numpy.clip(levels, 0, 255).astype(numpy.uint8))


def scanned(ink: Image.Image, degrees: float, seed: int) -> Image.Image:
    """The scan of a page. `ink` is greyscale, 0 where blank and up to 255 where printed; `degrees` turns it left."""
    turned = ink.rotate(degrees, resample=Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.7))
    page = _paper(*ink.size)
    page.paste(45, mask=turned)
    return _noisy(page, seed)


def pdf_of_images(pages: Sequence[Image.Image], name: str, quality: int) -> bytes:
    """A PDF with one JPEG a page and no text at all, the same bytes for the same images."""
    output = BytesIO()
    epoch = time.gmtime(0)
    pages[0].save(
        output,
        "PDF",
        save_all=True,
        append_images=pages[1:],
        resolution=DPI,
        quality=quality,
        title=name,
        creationDate=epoch,
        modDate=epoch,
    )
    return output.getvalue()
