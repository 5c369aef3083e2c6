"""Types by content."""

from io import BytesIO

import pytest
from PIL import Image

from services.ingest.sniff import JPEG, PDF, PNG, TIFF, sniff


def _saved(image_format: str) -> bytes:
    buffer = BytesIO()
    Image.new("L", (4, 4)).save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize(("image_format", "mime_type"), [("PNG", PNG), ("JPEG", JPEG), ("TIFF", TIFF)])
def test_pictures_are_known(image_format: str, mime_type: str) -> None:
    """A picture that Pillow wrote is known by its first bytes."""
    assert mime_type == sniff(_saved(image_format))


@pytest.mark.parametrize("head", [b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00\x00\x00", b"MM\x00+\x00\x08\x00\x00"])
def test_tiff_in_both_byte_orders_and_sizes(head: bytes) -> None:
    """Little and big endian, classic and BigTIFF."""
    assert TIFF == sniff(head + bytes(20))


def test_pdf_header_may_come_late() -> None:
    """Junk before the header is accepted up to 1024 bytes, as readers do."""
    assert PDF == sniff(b"junk" * 200 + b"%PDF-1.7")
    assert sniff(b"x" * 1024 + b"%PDF-1.7") is None


@pytest.mark.parametrize("head", [b"", b"PK\x03\x04", b"GIF89a", b"<html>", b"\x89PNG"])
def test_anything_else_is_unknown(head: bytes) -> None:
    """Other formats and fragments of signatures are not taken for a known type."""
    assert sniff(head) is None
