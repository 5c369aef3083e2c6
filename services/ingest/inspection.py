"""What a document is made of: its pages, their sizes, and which of them have to be read from their picture."""

import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pypdfium2 as pdfium
import pypdfium2.raw as c

from services.ingest.faults import DocumentFault, FaultCode
from services.ingest.images import MIME_FORMATS, pictures
from services.ingest.legibility import judge
from services.ingest.pdf import MAX_PAGES, OpenPage, loaded, opened
from services.ingest.sniff import PDF


@dataclass(frozen=True, slots=True)
class PageInspection:
    """One page as displayed: its size in points, whether only its picture can be read and why, in a word.

    `fault` is set for a page that cannot be read at all; its size may be 0 and it needs no OCR.
    """

    number: int
    width: float
    height: float
    needs_ocr: bool
    reason: str
    fault: FaultCode | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; `metadata` holds strings that the file states about itself, none of them checked."""

    page_count: int
    metadata: dict[str, str]
    pages: tuple[PageInspection, ...]


Visit = Callable[[OpenPage, int], None]
"""Takes a loaded page and its number, from 1."""

SMALL_DOCUMENT_PAGES: Final = 16


def inspect_document(
    path: str | Path,
    mime_type: str,
    password: str | None = None,
    max_pages: int = MAX_PAGES,
    visit: Visit | None = None,
) -> Inspection:
    """Opens the file at `path` as `mime_type` and looks at every page without rendering any.

    `visit` is called with each text page of a PDF of at most SMALL_DOCUMENT_PAGES while it is loaded: loading it is
    half of what reading it costs.

    Raises DocumentFault for a document that cannot be read, also when every single page is faulty.
    """
    if mime_type == PDF:
        return _inspect_pdf(path, password, max_pages, visit)
    if mime_type in MIME_FORMATS:
        return _inspect_picture(path, mime_type, max_pages)
    raise DocumentFault("invalid_file_type", "The content is no PDF, PNG, JPEG or TIFF.")


def _inspect_picture(path: str | Path, mime_type: str, max_pages: int) -> Inspection:
    pages = tuple(
        PageInspection(number, picture.width, picture.height, True, "picture")
        for number, picture in enumerate(pictures(path, mime_type, max_pages), 1)
    )
    return Inspection(len(pages), {"format": MIME_FORMATS[mime_type]}, pages)


def _inspect_pdf(path: str | Path, password: str | None, max_pages: int, visit: Visit | None) -> Inspection:
    with opened(path, password, max_pages) as document:
        metadata = _metadata(document) | {"has_javascript": str(_has_javascript(path, document)).lower()}
        small = visit if len(document) <= SMALL_DOCUMENT_PAGES else None
        pages = tuple(_inspect_page(document, number, small) for number in range(1, len(document) + 1))
    if all(page.fault for page in pages):
        raise _common_fault(pages)
    return Inspection(len(pages), metadata, pages)


def _common_fault(pages: tuple[PageInspection, ...]) -> DocumentFault:
    if {page.fault for page in pages} == {"page_too_large"}:
        return DocumentFault("page_too_large", "The pages are too large.")
    return DocumentFault("corrupt_document", "No page of the document can be read.")


def _inspect_page(document: pdfium.PdfDocument, number: int, visit: Visit | None) -> PageInspection:
    try:
        with loaded(document, number) as page:
            verdict = judge(page)
            if visit and not verdict.needs_ocr:
                visit(page, number)
            return PageInspection(number, page.frame.width, page.frame.height, verdict.needs_ocr, verdict.reason)
    except DocumentFault as fault:
        return PageInspection(number, 0.0, 0.0, False, fault.code, fault.code)


_METADATA_KEYS: Final = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "Creator": "creator",
    "Producer": "producer",
    "CreationDate": "created",
    "ModDate": "modified",
}
MAX_VALUE_LENGTH: Final = 1_000
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


def _metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    stated = document.get_metadata_dict(skip_empty=True)
    found = {name: _clean(stated[key]) for key, name in _METADATA_KEYS.items() if key in stated}
    for name in ("created", "modified"):
        if name in found:
            found[name] = pdf_date(found[name])
    found |= _features(document)
    return {name: value for name, value in found.items() if value}


def _clean(value: str) -> str:
    return _UNPRINTABLE.sub(" ", value).strip()[:MAX_VALUE_LENGTH]


def _features(document: pdfium.PdfDocument) -> dict[str, str]:
    """Attachments and scripts are counted, never opened."""
    version = document.get_version()
    attachments = c.FPDFDoc_GetAttachmentCount(document)
    return {
        "pdf_version": f"{version // 10}.{version % 10}" if version else "",
        "attachments": str(max(attachments, 0)),
        "has_forms": str(document.get_formtype() != c.FORMTYPE_NONE).lower(),
        "tagged": str(bool(c.FPDFCatalog_IsTagged(document))).lower(),
    }


def _has_javascript(path: str | Path, document: pdfium.PdfDocument) -> bool:
    """Scripts of the document, or any that is named in the open part of the file; those of fields show there only."""
    if c.FPDFDoc_GetJavaScriptActionCount(document) > 0:
        return True
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"/JavaScript") >= 0


_PDF_DATE: Final = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)\'?(\d\d)?)?")


def pdf_date(value: str) -> str:
    """A PDF date (ISO 32000-1, 7.9.4) as RFC 3339; without a stated offset it counts as UTC.

    A value of another form is returned as it is.
    """
    match = _PDF_DATE.match(value)
    if match is None:
        return value
    year, month, day, hour, minute, second = (
        int(part or least) for part, least in zip(match.groups()[:6], (0, 1, 1, 0, 0, 0), strict=True)
    )
    sign, hours, minutes = match.group(8), match.group(9), match.group(10)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return value
