"""Damaged and hostile documents, written byte by byte because no library makes them."""

import struct
import zlib
from collections.abc import Mapping

_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def _pdf(objects: Mapping[int, bytes]) -> bytes:
    """A PDF of numbered object bodies, of which 1 is the catalogue, with a correct cross-reference table."""
    output = b"%PDF-1.7\n"
    entries = {0: b"0000000000 65535 f \n"}
    for number, body in sorted(objects.items()):
        entries[number] = b"%010d 00000 n \n" % len(output)
        output += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = max(entries) + 1
    table = b"".join(entries.get(number, b"0000000000 00001 f \n") for number in range(size))
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(output))
    return output + b"xref\n0 %d\n" % size + table + trailer


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (len(packed), entries, packed)


def _pages(*kids: int) -> bytes:
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    return b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), references)


def _page(contents: int, resources: bytes, width: int = 595, height: int = 842) -> bytes:
    box = b"/MediaBox [0 0 %d %d]" % (width, height)
    return b"<< /Type /Page /Parent 2 0 R %s /Resources << %s >> /Contents %d 0 R >>" % (box, resources, contents)


def _text(text: str) -> bytes:
    return _stream(f"BT /F1 12 Tf 72 770 Td ({text}) Tj ET".encode())


def huge_page_pdf() -> bytes:
    """One page of 200,000 x 200,000 points: 1.2 TB as an RGBA image at 200 dpi."""
    page = _page(4, b"/Font << /F1 5 0 R >>", width=200_000, height=200_000)
    return _pdf({1: _CATALOG, 2: _pages(3), 3: page, 4: _text("A very large page"), 5: _FONT})


def object_bomb_pdf(depth: int = 9, fan_out: int = 10) -> bytes:
    """One page whose content nests `depth` forms, each of which draws the next `fan_out` times.

    The file has a few kilobytes; the page has fan_out ** depth text objects (a thousand million by default), so that
    merely loading it does not end in a reasonable time.
    """
    forms = {
        6 + level: _stream(
            b"/Next Do\n" * fan_out,
            b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /Next %d 0 R >> >>"
            % (7 + level),
        )
        for level in range(depth)
    }
    leaf = _stream(
        b"BT /F1 12 Tf 72 770 Td (x) Tj ET",
        b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >>",
    )
    page = _page(4, b"/XObject << /Next 6 0 R >>")
    return _pdf({1: _CATALOG, 2: _pages(3), 3: page, 4: _stream(b"/Next Do"), 5: _FONT, **forms, 6 + depth: leaf})


def broken_page_pdf(pages: int = 3, broken: int = 2) -> bytes:
    """A PDF of which page `broken` (from 1) is garbage instead of a page, while the others say `Page <n> is fine`."""
    objects = {1: _CATALOG, 3: _FONT}
    kids = range(4, 4 + 2 * pages, 2)
    for number, kid in enumerate(kids, start=1):
        objects[kid] = b"(garbage)" if number == broken else _page(kid + 1, b"/Font << /F1 3 0 R >>")
        objects[kid + 1] = _text(f"Page {number} is fine")
    return _pdf({**objects, 2: _pages(*kids)})


def empty_pdf() -> bytes:
    """A well-formed PDF without a page."""
    return _pdf({1: _CATALOG, 2: _pages()})


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def page_bomb_image() -> bytes:
    """A PNG of under 100 bytes whose header claims 50,000 x 50,000 pixels, 10 GB as RGBA."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def not_a_document() -> bytes:
    """Bytes of no supported kind: an ELF executable's header and then plain words."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"this is neither a PDF nor an image\n" * 8
