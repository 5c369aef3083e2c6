"""Opening PDF files and their pages with PDFium, whose word on encryption and damage is final."""

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as c

from services.ingest.faults import DocumentFault
from services.ingest.frame import PageFrame
from services.ingest.geometry import Rectangle

ENGINE: Final = f"pypdfium2 {pdfium.PYPDFIUM_INFO.version} (pdfium {pdfium.PDFIUM_INFO.version})"
MAX_PAGES: Final = 5000
# The longest side that a PDF page may have in default user space units (PDF 32000-1:2008, annex C.2).
MAX_SIDE: Final = 14_400.0


def _untyped(function: Any, *arguments: Any) -> Any:
    """`function` with plain addresses as arguments: the bindings' checks of pointer types double the cost of a call."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, *arguments)
    return prototype(ctypes.cast(function, ctypes.c_void_p).value or 0)


_count_rects: Final = _untyped(c.FPDFText_CountRects, ctypes.c_int, ctypes.c_int)
_has_unicode_map_error: Final = _untyped(c.FPDFText_HasUnicodeMapError, ctypes.c_int)
_get_rect: Final = _untyped(c.FPDFText_GetRect, ctypes.c_int, *[ctypes.c_void_p] * 4)

logging.getLogger("pypdfium2").setLevel(logging.CRITICAL)


@contextmanager
def opened(path: str | Path, password: str | None = None, max_pages: int = MAX_PAGES) -> Iterator[pdfium.PdfDocument]:
    """The document at `path`, closed at the end.

    Raises DocumentFault: password_required, wrong_password, unsupported_encryption, corrupt_document,
    empty_document or too_many_pages.
    """
    document = _open(path, password)
    try:
        if (count := len(document)) < 1:
            raise DocumentFault("empty_document", "The document has no pages.")
        if count > max_pages:
            raise DocumentFault("too_many_pages", f"The document has {count} pages; {max_pages} is the limit.")
        yield document
    finally:
        document.close()


def _open(path: str | Path, password: str | None) -> pdfium.PdfDocument:
    # pypdfium2 follows links to a name; a file that has none is opened here.
    nameless = os.fdopen(os.open(path, os.O_RDONLY), "rb") if str(path).startswith("/proc/") else None
    try:
        return pdfium.PdfDocument(nameless or path, password=password, autoclose=True)
    except pdfium.PdfiumError as error:
        if nameless is not None:
            nameless.close()
        raise _open_fault(error.err_code, password) from error


def _open_fault(error_code: int | None, password: str | None) -> DocumentFault:
    if error_code == c.FPDF_ERR_PASSWORD:
        if password:
            return DocumentFault("wrong_password", "The password does not open the document.")
        return DocumentFault("password_required", "The document opens with a password only.")
    if error_code == c.FPDF_ERR_SECURITY:
        return DocumentFault("unsupported_encryption", "The document is encrypted by a scheme that cannot be opened.")
    return DocumentFault("corrupt_document", "The document is damaged beyond reading.")


class OpenPage:
    """A loaded page with its text; `page` and `text` are PDFium handles, alive until `loaded` ends."""

    __slots__ = ("_addresses", "_corners", "_handle", "frame", "page", "text")

    def __init__(self, page: pdfium.PdfPage, text: pdfium.PdfTextPage) -> None:
        self.page = page
        self.text = text
        self.frame = frame_of(page)
        self._corners = (ctypes.c_double * 4)()
        self._handle = ctypes.cast(text.raw, ctypes.c_void_p).value
        first = ctypes.addressof(self._corners)
        self._addresses = [first + index * ctypes.sizeof(ctypes.c_double) for index in range(4)]

    def characters(self) -> str:
        """All text as PDFium orders it, one Python character for each of PDFium's, lines ended by CR LF."""
        count = c.FPDFText_CountChars(self.text)
        if count <= 0:
            return ""
        # Two code units a character, in case that all of them lie beyond the basic plane.
        buffer = (ctypes.c_ushort * (2 * count + 1))()
        units = c.FPDFText_GetText(self.text, 0, count, buffer)
        return bytes(memoryview(buffer)[: max(units - 1, 0)]).decode("utf-16-le", "replace")

    def is_unmapped(self, index: int) -> bool:
        """Whether the font of the character tells no Unicode for it."""
        return bool(_has_unicode_map_error(self._handle, index) == 1)

    def rectangles(self, start: int, count: int) -> list[Rectangle]:
        """The boxes of `count` characters from `start` (-1: all), one for each run on one line, as displayed."""
        corners, addresses, handle, box = self._corners, self._addresses, self._handle, self.frame.box
        found = []
        for index in range(_count_rects(handle, start, count)):
            _get_rect(handle, index, *addresses)
            found.append(box(*corners))
        # A font may give its glyphs no extent at all.
        return found if found and found[0].right > found[0].left else self._loose_rectangles(start, count)

    def _loose_rectangles(self, start: int, count: int) -> list[Rectangle]:
        """The boxes by the fonts' metrics, one for each character: for fonts that give their glyphs no extent."""
        box = c.FS_RECTF()
        found = (
            self.frame.box(box.left, box.top, box.right, box.bottom)
            for index in range(start, start + count)
            if c.FPDFText_GetLooseCharBox(self.text, index, box)
        )
        return [rectangle for rectangle in found if rectangle.area > 0]


def object_box(frame: PageFrame, item: Any) -> Rectangle | None:
    """The bounds of a top-level page object as displayed; None when PDFium cannot tell them."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not c.FPDFPageObj_GetBounds(item, left, bottom, right, top):
        return None
    return frame.box(left.value, bottom.value, right.value, top.value)


def frame_of(page: pdfium.PdfPage) -> PageFrame:
    """How the page's user space lies on it as displayed. Raises PdfiumError."""
    box = c.FS_RECTF()
    if not c.FPDF_GetPageBoundingBox(page, box):
        raise pdfium.PdfiumError("no page box")
    return PageFrame(box.left, box.bottom, box.right, box.top, c.FPDFPage_GetRotation(page) % 4)


@contextmanager
def loaded(document: pdfium.PdfDocument, number: int) -> Iterator[OpenPage]:
    """Page `number` (from 1) of `document`; with forms, the values of its fields are part of its text.

    Raises DocumentFault: unreadable_page or page_too_large.
    """
    page = text = None
    try:
        page = _load_page(document, number)
        text = page.get_textpage()
        yield OpenPage(page, text)
    except (pdfium.PdfiumError, IndexError, ValueError, OverflowError) as error:
        raise DocumentFault("unreadable_page", "The page is damaged.") from error
    finally:
        for handle in (text, page):
            if handle is not None:
                handle.close()


def _load_page(document: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    page = document[number - 1]
    width, height = page.get_size()
    if max(width, height) > MAX_SIDE:
        page.close()
        raise DocumentFault("page_too_large", f"A side of the page is longer than {MAX_SIDE:.0f} points.")
    if document.get_formtype() == c.FORMTYPE_NONE or c.FPDFPage_GetAnnotCount(page) == 0:
        return page
    return _with_field_values(document, page, number)


def _with_field_values(document: pdfium.PdfDocument, page: pdfium.PdfPage, number: int) -> pdfium.PdfPage:
    """PDFium keeps the appearance of form fields apart from the page's text until they are flattened into it."""
    changed = c.FPDFPage_Flatten(page, c.FLAT_NORMALDISPLAY) == c.FLATTEN_SUCCESS
    if not changed:
        return page
    page.close()
    return document[number - 1]
