"""A document as a PDF in which the recognized text can be found; runs in the sandboxed children."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pypdfium2 as pdfium

from pagemesh.results.v1.page_pb2 import Page
from services.ingest.pdf import frame_of, opened
from services.ingest.picture_pdf import picture_pdf
from services.ingest.sniff import PDF
from services.ingest.text_layer import TextLayer

_CHUNK = 1 << 20


def searchable_pdf(path: Path, mime_type: str, recognized: Sequence[Page]) -> Iterator[bytes]:
    """The file's pieces. Pages that were not recognized stay as they are. Raises DocumentFault."""
    with _document(path, mime_type) as document:
        _write(document, recognized)
        saved = BytesIO()
        document.save(saved)
    content = saved.getbuffer()
    for start in range(0, len(content), _CHUNK):
        yield bytes(content[start : start + _CHUNK])


@contextmanager
def _document(path: Path, mime_type: str) -> Iterator[pdfium.PdfDocument]:
    if mime_type == PDF:
        with opened(path) as document:
            yield document
    else:
        document = picture_pdf(path, mime_type)
        try:
            yield document
        finally:
            document.close()


def _write(document: pdfium.PdfDocument, recognized: Sequence[Page]) -> None:
    layer = TextLayer(document)
    for read in recognized:
        if 1 <= read.number <= len(document):
            page = document[read.number - 1]
            layer.write(page, frame_of(page), read)
            page.close()
    layer.close()
