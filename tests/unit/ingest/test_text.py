"""Text of born-digital pages."""

from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from pagemesh.results.v1 import page_pb2
from services.ingest.faults import DocumentFault, PageFault
from services.ingest.text import extract_pages
from tests.unit.ingest.documents import HEIGHT, pdf, text, together, turned

LEFT = [f"left column line {index} speaks of apples and pears" for index in range(8)]
RIGHT = [f"right column line {index} speaks of ships and sails" for index in range(8)]


def _page(path: Path, number: int = 1) -> page_pb2.Page:
    [page] = extract_pages(path, [number], "text")
    assert isinstance(page, page_pb2.Page)
    return page


def test_page_is_described(tmp_path: Path) -> None:
    """Number, size, source, language and engine come along."""
    page = _page(pdf(tmp_path / "a.pdf", text("The committee met on Monday and decided to build the bridge.")))
    assert (1, page_pb2.PAGE_SOURCE_TEXT, "eng") == (page.number, page.source, page.language)
    assert page.engine.startswith("pypdfium2 ")
    assert not page.HasField("confidence")


def test_lines_have_places(tmp_path: Path) -> None:
    """Boxes are points from the upper left corner."""
    [line] = _page(pdf(tmp_path / "a.pdf", text("Hello world", left=100, top=200, size=12))).lines
    assert "Hello world" == line.text
    assert pytest.approx((100, 200), abs=3) == (line.box.left, line.box.bottom)
    assert 188 < line.box.top < 196


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_boxes_turn_with_the_page(tmp_path: Path, turn: int) -> None:
    """Boxes lie on the page as displayed, so a rotated page keeps them within its swapped sides."""
    page = _page(turned(pdf(tmp_path / "a.pdf", text("Hello world", left=100, top=200, size=12)), turn))
    box = page.lines[0].box
    expected = {
        90: (HEIGHT - 200, 100),
        180: (page.width - 100, HEIGHT - 200),
        270: (200, page.height - 100),
    }[turn]
    corner = {90: (box.left, box.top), 180: (box.right, box.top), 270: (box.right, box.bottom)}[turn]
    assert pytest.approx((expected[0], expected[1]), abs=4) == corner


def test_crop_box_moves_the_origin(tmp_path: Path) -> None:
    """Places are measured from the crop box, and text outside it is not on the page."""

    def cropped(canvas: Canvas) -> None:
        canvas.setCropBox((50, 50, 400, HEIGHT - 100))
        together(text("inside", left=100, top=200), text("outside", left=100, top=40))(canvas)

    page = _page(pdf(tmp_path / "a.pdf", cropped))
    assert "inside" == page.text
    assert pytest.approx((50, 100), abs=3) == (page.lines[0].box.left, page.lines[0].box.bottom)


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    """Two columns written line by line across the page come apart."""
    rows = [text(a, left=50, top=100 + 14 * i, size=9) for i, a in enumerate(LEFT)]
    others = [text(b, left=320, top=100 + 14 * i, size=9) for i, b in enumerate(RIGHT)]
    across = together(*(painter for pair in zip(rows, others, strict=True) for painter in pair))
    page = _page(pdf(tmp_path / "a.pdf", across))
    assert LEFT + RIGHT == [line.text for line in page.lines]


def test_foot_written_first_is_read_last(tmp_path: Path) -> None:
    """A page number that the file holds first stands at the end of the text."""
    page = _page(pdf(tmp_path / "a.pdf", together(text("Page 7", top=780), text(*LEFT), text("Heading", top=40))))
    found = [line for line in page.text.split("\n") if line]
    assert ("Heading", "Page 7") == (found[0], found[-1])


def test_paragraphs_are_parted_by_an_empty_line(tmp_path: Path) -> None:
    """A wider gap than between lines makes a paragraph."""
    page = _page(pdf(tmp_path / "a.pdf", together(text("one", "two"), text("three", "four", top=130))))
    assert "one\ntwo\n\nthree\nfour" == page.text


def test_parted_words_are_whole_again(tmp_path: Path) -> None:
    """A hyphen at a line's end goes with the break, and lines keep matching the text."""
    page = _page(pdf(tmp_path / "a.pdf", text("the old archi-", "tecture of mills")))
    assert "the old architecture\nof mills" == page.text
    assert ["the old architecture", "of mills"] == [line.text for line in page.lines]


def test_field_values_are_text(tmp_path: Path) -> None:
    """What was filled into a form is read with the page."""

    def field(canvas: Canvas) -> None:
        text("City:")(canvas)
        canvas.acroForm.textfield(name="city", value="Lucknow", x=120, y=760, width=200, height=20)

    assert "Lucknow" in _page(pdf(tmp_path / "a.pdf", field)).text


def test_one_bad_page_leaves_the_others(tmp_path: Path) -> None:
    """A missing page comes as a fault of its own, in its place."""
    path = pdf(tmp_path / "a.pdf", text("first"), text("second"))
    first, missing, second = extract_pages(path, [1, 9, 2], "text")
    assert PageFault(9, "unreadable_page", "The page is damaged.") == missing
    assert ["first", "second"] == [page.text for page in (first, second) if isinstance(page, page_pb2.Page)]


def test_password(tmp_path: Path) -> None:
    """An encrypted document is read with its password and not without."""
    path = pdf(tmp_path / "a.pdf", text("secret"), password="open sesame")
    [page] = extract_pages(path, [1], "text", "open sesame")
    assert isinstance(page, page_pb2.Page)
    assert "secret" == page.text
    with pytest.raises(DocumentFault, match="password_required"):
        next(iter(extract_pages(path, [1], "text")))
