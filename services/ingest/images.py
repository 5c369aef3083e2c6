"""Picture files: their pages and sizes from their headers, without decoding a pixel."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from services.ingest.faults import DocumentFault
from services.ingest.sniff import JPEG, PNG, TIFF

MAX_PIXELS: Final = 200_000_000
DEFAULT_DPI: Final = 200.0
# What scanners and cameras can have meant; 72 and 96 are screens' habits and say nothing of paper.
PLAUSIBLE_DPI: Final = (100.0, 2400.0)
MIME_FORMATS: Final = {PNG: "PNG", JPEG: "JPEG", TIFF: "TIFF"}
# The orientations that swap width and height (EXIF 2.32, tag 0x0112).
_ORIENTATION_TAG: Final = 0x0112
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Picture:
    """Size of one picture as displayed, in points, at the resolution that it states or 200 dpi."""

    width: float
    height: float


def pictures(path: str | Path, mime_type: str, max_pages: int) -> list[Picture]:
    """One entry for each page: PNG and JPEG have one, TIFF one a frame.

    Raises DocumentFault: corrupt_document, too_many_pages or page_too_large.
    """
    with opened(path, mime_type) as image:
        count = getattr(image, "n_frames", 1) if mime_type == TIFF else 1
        if count > max_pages:
            raise DocumentFault("too_many_pages", f"The picture has {count} pages; {max_pages} is the limit.")
        return [_measure(image, frame) for frame in range(count)]


@contextmanager
def opened(path: str | Path, mime_type: str) -> Iterator[Image.Image]:
    """The picture; whatever Pillow raises while it is open says that it is damaged. Raises DocumentFault."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=[MIME_FORMATS[mime_type]]) as image:
            yield image
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, OverflowError, ArithmeticError) as error:
        raise DocumentFault("corrupt_document", "The picture is damaged beyond reading.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _measure(image: Image.Image, frame: int) -> Picture:
    if frame:
        image.seek(frame)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DocumentFault("page_too_large", f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.")
    across, down = _resolution(image)
    size = (width * 72 / across, height * 72 / down)
    return Picture(*(reversed(size) if image.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS else size))


def _resolution(image: Image.Image) -> tuple[float, float]:
    """Dots per inch across and down; the default unless both are plausible and alike."""
    stated = image.info.get("dpi")
    try:
        across, down = (float(value) for value in stated or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return DEFAULT_DPI, DEFAULT_DPI
    low, high = PLAUSIBLE_DPI
    if low <= across <= high and low <= down <= high and 0.4 <= across / down <= 2.5:
        return across, down
    return DEFAULT_DPI, DEFAULT_DPI
