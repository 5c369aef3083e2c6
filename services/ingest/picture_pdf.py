"""Picture files as PDFs: one page a frame, as a reader sees it."""

from pathlib import Path

import pypdfium2 as pdfium
from PIL import Image, ImageOps

from services.ingest.faults import DocumentFault
from services.ingest.images import MIME_FORMATS, Picture, opened, pictures
from services.ingest.pdf import MAX_PAGES
from services.ingest.sniff import JPEG, TIFF

_ORIENTATION_TAG = 0x0112
# A frame takes three bytes a pixel, and PDFium's copy four.
_MAX_PIXELS = 60_000_000


def picture_pdf(path: Path, mime_type: str) -> pdfium.PdfDocument:
    """The pictures of a file. Raises DocumentFault."""
    sizes = pictures(path, mime_type, MAX_PAGES)
    document = pdfium.PdfDocument.new()
    with opened(path, mime_type) as file:
        for number, size in enumerate(sizes):
            if mime_type == TIFF:
                file.seek(number)
            _add(document, path, file, size)
    return document


def _add(document: pdfium.PdfDocument, path: Path, file: Image.Image, size: Picture) -> None:
    if file.width * file.height > _MAX_PIXELS:
        raise DocumentFault("page_too_large", "A picture is too large to be made a PDF of.")
    page = document.new_page(size.width, size.height)
    image = pdfium.PdfImage.new(document)
    turned = file.getexif().get(_ORIENTATION_TAG, 1) != 1
    if MIME_FORMATS[JPEG] == file.format and not turned and file.mode in ("L", "RGB"):
        image.load_jpeg(path, inline=True)
    else:
        image.set_bitmap(pdfium.PdfBitmap.from_pil(_plain(ImageOps.exif_transpose(file))))
    image.set_matrix(pdfium.PdfMatrix().scale(size.width, size.height))
    page.insert_obj(image)
    page.gen_content()
    page.close()


def _plain(picture: Image.Image) -> Image.Image:
    """In grey or in colours, over white."""
    if picture.mode in ("1", "L"):
        return picture.convert("L")
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return picture.point(lambda value: value / 256).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        above = picture.convert("RGBA")
        picture = Image.new("RGBA", above.size, "white")
        picture.alpha_composite(above)
    return picture.convert("RGB")
