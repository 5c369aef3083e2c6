"""What inspection tells of a document."""

from pathlib import Path
from zlib import crc32

import pytest
from reportlab.pdfgen.canvas import Canvas

from services.ingest.faults import DocumentFault
from services.ingest.inspection import inspect_document, pdf_date
from services.ingest.sniff import JPEG, PDF, PNG, TIFF
from tests.unit.ingest.documents import HEIGHT, WIDTH, drawn, lines, pdf, picture, text, together, turned

PARAGRAPH = ["The quick brown fox jumps over the lazy dog and runs on into the wood."] * 10


def _fault(path: Path, mime_type: str = PDF, password: str | None = None, max_pages: int = 5000) -> str:
    with pytest.raises(DocumentFault) as caught:
        inspect_document(path, mime_type, password, max_pages)
    return caught.value.code


def test_text_pages_scans_and_blanks(tmp_path: Path) -> None:
    """Text is used, a picture is read, and an empty page needs nothing."""
    scan = picture(tmp_path / "scan.png")
    path = pdf(tmp_path / "a.pdf", text(*PARAGRAPH), drawn(scan), lambda canvas: None)
    found = inspect_document(path, PDF)
    assert [("text", False), ("picture", True), ("blank", False)] == [(p.reason, p.needs_ocr) for p in found.pages]
    assert 3 == found.page_count
    assert pytest.approx((WIDTH, HEIGHT), abs=0.1) == (
        found.pages[0].width,
        found.pages[0].height,
    )


def test_recognised_layer_over_a_scan_is_text(tmp_path: Path) -> None:
    """Invisible text over a full-page picture counts: somebody recognised it before."""
    scan = picture(tmp_path / "scan.png")

    def hidden(canvas: Canvas) -> None:
        layer = canvas.beginText(72, 700)
        layer.setTextRenderMode(3)
        layer.setFont("Helvetica", 10)
        layer.textLines(PARAGRAPH)
        canvas.drawText(layer)

    path = pdf(tmp_path / "a.pdf", together(drawn(scan), hidden))
    assert [False] == [page.needs_ocr for page in inspect_document(path, PDF).pages]


def test_stamp_on_a_scan_is_no_text_layer(tmp_path: Path) -> None:
    """A line along the foot of a scanned page does not make it a text page."""
    scan = picture(tmp_path / "scan.png")
    stamp = text("Downloaded from an archive on the third of May by a reader without a name", top=HEIGHT - 20)
    path = pdf(tmp_path / "a.pdf", together(drawn(scan), stamp))
    assert [("picture_with_marginal_text", True)] == [
        (page.reason, page.needs_ocr) for page in inspect_document(path, PDF).pages
    ]


def test_rules_alone_need_no_reading(tmp_path: Path) -> None:
    """A page with nothing but a line on it holds no text in any form."""
    path = pdf(tmp_path / "a.pdf", lines((72, 72, 400, 72)))
    assert [("blank", False)] == [(page.reason, page.needs_ocr) for page in inspect_document(path, PDF).pages]


def test_letters_drawn_as_outlines_need_reading(tmp_path: Path) -> None:
    """Text that was turned into shapes can be read from the picture only."""

    def outlines(canvas: Canvas) -> None:
        for index in range(200):
            shape = canvas.beginPath()
            x, y = 72 + 8 * (index % 50), 700 - 14 * (index // 50)
            shape.moveTo(x, y)
            for step in range(12):
                shape.curveTo(x + step, y, x + step, y + step, x, y + step)
            canvas.drawPath(shape, fill=1, stroke=0)

    path = pdf(tmp_path / "a.pdf", outlines)
    assert ["outlined_text"] == [page.reason for page in inspect_document(path, PDF).pages]


def test_rotation_swaps_the_sides(tmp_path: Path) -> None:
    """Width and height are those of the page as displayed."""
    path = turned(pdf(tmp_path / "a.pdf", text(*PARAGRAPH)), 90)
    [page] = inspect_document(path, PDF).pages
    assert pytest.approx((HEIGHT, WIDTH), abs=0.1) == (page.width, page.height)


def test_metadata(tmp_path: Path) -> None:
    """What the file states comes as plain strings, and what it contains is counted."""
    found = inspect_document(pdf(tmp_path / "a.pdf", text(*PARAGRAPH), title="Annual report"), PDF).metadata
    assert "Annual report" == found["title"]
    assert ("0", "false", "false") == (found["attachments"], found["has_javascript"], found["has_forms"])
    assert {str} == {type(value) for value in found.values()}


def test_javascript_and_forms_are_told(tmp_path: Path) -> None:
    """A document script and a field show in the metadata; neither is run."""

    def field(canvas: Canvas) -> None:
        text(*PARAGRAPH)(canvas)
        canvas.acroForm.textfield(name="city", value="Lucknow", x=72, y=300, width=200, height=20)

    path = pdf(tmp_path / "a.pdf", field)
    path.write_bytes(path.read_bytes().replace(b"%PDF-1.", b"%PDF-1.", 1) + b"\n% /S /JavaScript\n")
    found = inspect_document(path, PDF).metadata
    assert ("true", "true") == (found["has_forms"], found["has_javascript"])


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("D:20240131235959Z", "2024-01-31T23:59:59Z"),
        ("D:20240131120000+05'30'", "2024-01-31T06:30:00Z"),
        ("D:2024", "2024-01-01T00:00:00Z"),
        ("D:20241399", "D:20241399"),
        ("yesterday", "yesterday"),
    ],
)
def test_dates(stated: str, expected: str) -> None:
    """PDF dates become RFC 3339; what is none stays."""
    assert expected == pdf_date(stated)


def test_encryption(tmp_path: Path) -> None:
    """Without the password, with a wrong one and with the right one."""
    path = pdf(tmp_path / "a.pdf", text(*PARAGRAPH), password="open sesame")
    assert "password_required" == _fault(path)
    assert "wrong_password" == _fault(path, password="open barley")
    assert 1 == inspect_document(path, PDF, "open sesame").page_count


def test_damage(tmp_path: Path) -> None:
    """Junk with a PDF header, and a picture cut off in its header."""
    junk = tmp_path / "junk.pdf"
    junk.write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 20)
    assert "corrupt_document" == _fault(junk)
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture(tmp_path / "whole.png").read_bytes()[:20])
    assert "corrupt_document" == _fault(cut, PNG)


def test_limits(tmp_path: Path) -> None:
    """Too many pages, in a PDF and in a TIFF, and pages too large in points and in pixels."""
    assert "too_many_pages" == _fault(pdf(tmp_path / "a.pdf", *[text("x")] * 3), max_pages=2)
    assert "too_many_pages" == _fault(picture(tmp_path / "a.tif", frames=3), TIFF, max_pages=2)
    assert "page_too_large" == _fault(pdf(tmp_path / "b.pdf", lambda canvas: canvas.setPageSize((15_000, 15_000))))
    bomb = tmp_path / "bomb.png"
    small = picture(tmp_path / "small.png").read_bytes()
    header = small[12:16] + (40_000).to_bytes(4, "big") * 2 + small[24:29]
    bomb.write_bytes(small[:12] + header + crc32(header).to_bytes(4, "big") + small[33:])
    assert "page_too_large" == _fault(bomb, PNG)


def test_one_bad_page_leaves_the_others(tmp_path: Path) -> None:
    """A page beyond the limits is faulty by itself."""
    path = pdf(tmp_path / "a.pdf", lambda canvas: canvas.setPageSize((15_000, 15_000)), _ordinary)
    assert ["page_too_large", None] == [page.fault for page in inspect_document(path, PDF).pages]


def _ordinary(canvas: Canvas) -> None:
    canvas.setPageSize((WIDTH, HEIGHT))
    text(*PARAGRAPH)(canvas)


def test_other_types_are_refused(tmp_path: Path) -> None:
    """Only the four known types are opened."""
    assert "invalid_file_type" == _fault(picture(tmp_path / "a.gif"), "image/gif")


def test_pictures(tmp_path: Path) -> None:
    """One page for each frame, in points by the stated resolution, or by 200 dpi when it says nothing of paper."""
    scanned = inspect_document(picture(tmp_path / "a.tif", (600, 300), frames=2, dpi=300), TIFF)
    assert [(144.0, 72.0, True)] * 2 == [(page.width, page.height, page.needs_ocr) for page in scanned.pages]
    screen = inspect_document(picture(tmp_path / "a.jpg", (400, 200), dpi=72), JPEG)
    assert [(144.0, 72.0)] == [(page.width, page.height) for page in screen.pages]
