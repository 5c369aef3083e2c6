"""What a file is, by its first bytes and never by its name."""

from typing import Final

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
TIFF: Final = "image/tiff"
PLAIN_TEXT: Final = "text/plain"
"""Never told by content: only of texts that were announced as such."""
MIME_TYPES: Final = frozenset({PDF, PNG, JPEG, TIFF})

# Readers accept a PDF header anywhere in the first 1024 bytes (PDF Reference 1.7, appendix H, note 13).
HEAD_LENGTH: Final = 1024

_IMAGE_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00\x08\x00\x00\x00", TIFF),
    (b"MM\x00+\x00\x08\x00\x00", TIFF),
)


def sniff(head: bytes) -> str | None:
    """The MIME type of a file that starts with `head` (`HEAD_LENGTH` bytes suffice); None for any other."""
    for signature, mime_type in _IMAGE_SIGNATURES:
        if head.startswith(signature):
            return mime_type
    return PDF if b"%PDF-" in head[:HEAD_LENGTH] else None
