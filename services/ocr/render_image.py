"""Pages of image files, by Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile

from services.ocr.faults import PageFault
from services.ocr.grey import grey
from services.ocr.render import POINTS_PER_INCH, RenderedPage, fitting_dpi

_MAX_BYTES = 400_000_000
"""Most that a decoded picture may take: 100 megapixels in colour, 400 in black and white."""
_PAPER_INCHES = 11.7
"""Long side of A4, taken for pictures that do not say how large they are."""
_MEASURED_DPI = (100.0, 2400.0)
"""Cameras and editors write 1, 72 or 96 whatever the picture is."""
_WORTHWHILE = 0.1
"""Resampling by less than this costs more than it gives."""

_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of EXIF tag 0x0112 (CIPA DC-008, 4.6.4)."""

# The limit here is _MAX_BYTES, checked before decoding: Pillow's own knows nothing of bits a pixel.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class _Density:
    """Dots an inch across and down; fax machines have 204 by 98."""

    across: float
    down: float


def render_image(path: Path, number: int, dpi: int) -> RenderedPage:
    """Frame `number` as a reader sees it: upright by its EXIF orientation, over white, square dots, never enlarged."""
    try:
        with Image.open(path) as file:
            return _rendered(file, number, dpi)
    except PageFault:
        raise
    except Exception as error:  # Pillow's decoders raise anything from struct.error to ZeroDivisionError on bad files
        raise PageFault("unreadable_page", "The picture cannot be decoded: the file is damaged.") from error


def _rendered(file: ImageFile.ImageFile, number: int, dpi: int) -> RenderedPage:
    _seek(file, number)
    density = _density(file)
    sideways = file.getexif().get(_ORIENTATION, 1) in _SIDEWAYS
    across, down = stored = _stored_size(file, sideways)
    if file.format == "TIFF" and file.tile and file.tile[0][0] == "raw":
        file._size = stored  # Pillow 13 decodes uncompressed TIFFs by the rows of the turned page, which is nonsense
    width, height = across / density.across * POINTS_PER_INCH, down / density.down * POINTS_PER_INCH
    fitting = fitting_dpi(width, height, min(dpi, max(density.across, density.down)))
    file.draft("L", _pixels(width, height, fitting))  # lets libjpeg skip detail that would be thrown away
    if file.width * file.height * len(file.getbands()) > _MAX_BYTES:
        raise PageFault("page_too_large", f"The picture has {file.width} by {file.height} pixels, too many to read.")
    picture = _upright(file)
    if sideways:
        width, height = height, width
    picture = _resampled(picture, _pixels(width, height, fitting))
    return RenderedPage(picture, picture.width * POINTS_PER_INCH / width, width, height)


def _seek(file: Image.Image, number: int) -> None:
    try:
        if number < 1:
            raise EOFError
        file.seek(number - 1)
    except EOFError as error:
        raise PageFault("unreadable_page", f"The document has no page {number}.") from error


def _stored_size(file: Image.Image, sideways: bool) -> tuple[int, int]:
    """Pixels before the EXIF turn; of TIFFs Pillow tells those after it."""
    return (file.height, file.width) if sideways and file.format == "TIFF" else file.size


def _density(file: Image.Image) -> _Density:
    across, down = (float(value) for value in file.info.get("dpi", (0, 0)))
    low, high = _MEASURED_DPI
    if high >= across >= low and high >= down >= low * 0.9:
        return _Density(across, down)
    assumed = max(file.size) / _PAPER_INCHES
    return _Density(assumed, assumed)


def _pixels(width: float, height: float, dpi: float) -> tuple[int, int]:
    scale = dpi / POINTS_PER_INCH
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resampled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    factors = (size[0] / picture.width, size[1] / picture.height)
    if all(abs(factor - 1) < _WORTHWHILE for factor in factors):
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS)


def _upright(file: Image.Image) -> Image.Image:
    """Decode, and apply the EXIF orientation that decoding left: Pillow turns TIFFs itself and forgets the tag."""
    file.load()  # grey() may hand back the file's own picture, which must outlive the file
    picture = grey(file)
    way = _TRANSPOSE.get(file.getexif().get(_ORIENTATION, 1))
    return picture if way is None else picture.transpose(way)
