"""Reading whole pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pagemesh.results.v1 import page_pb2
from services.ocr.engine import Engine, Layout, describe
from services.ocr.faults import PageFault
from services.ocr.recognize import read_page
from tests.unit.ocr.pages import SENTENCES, Spy, drawn, empty_pdf, pdf_of

TEXT = "\n".join(SENTENCES)


def words_of(page: page_pb2.Page) -> list[str]:
    return page.text.split()


def test_reads_a_scan(driver: Engine, tmp_path: Path) -> None:
    """Text, source, engine, language and confidence of a page are told."""
    page = read_page(driver, pdf_of(drawn(), tmp_path / "a.pdf"), "application/pdf", 1, "eng")
    assert list(SENTENCES) == [line for line in page.text.split("\n") if line]
    assert (1, page_pb2.PAGE_SOURCE_OCR, "eng", 0) == (page.number, page.source, page.language, page.rotation)
    assert describe(driver) == page.engine
    assert page.confidence > 0.85


def test_places_are_points(engine: Engine, tmp_path: Path) -> None:
    """Words stand in points from the upper left; a line spans its words."""
    page = read_page(engine, pdf_of(drawn(), tmp_path / "a.pdf"), "application/pdf", 1)
    first = page.lines[0]
    assert (page.width, page.height) == pytest.approx((1100 * 0.36, 700 * 0.36))
    assert first.words[0].box.left == pytest.approx(68 * 0.36, abs=2)
    assert (first.words[0].box.left, first.words[-1].box.right) == (first.box.left, first.box.right)
    assert first.box.bottom < page.lines[1].box.top


def test_paragraphs_are_parted(engine: Engine, tmp_path: Path) -> None:
    """An empty line stands between paragraphs."""
    path = tmp_path / "a.png"
    drawn((*SENTENCES[:3], "", "", *SENTENCES[3:])).save(path)
    assert f"{SENTENCES[2]}\n\n{SENTENCES[3]}" in read_page(engine, path, "image/png", 1).text


def test_an_upright_page_is_read_once(engine: Engine, tmp_path: Path) -> None:
    """Looking for other positions costs nothing where the first reading went well."""
    spy = Spy(engine)
    read_page(spy, pdf_of(drawn(), tmp_path / "a.pdf"), "application/pdf", 1)
    assert [((1100, 700), Layout.PAGE)] == spy.asked


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_lies_wrong_is_read_right(driver: Engine, tmp_path: Path, turn: int) -> None:
    """Whichever way a page was fed to the scanner its text is read, and the turn is told."""
    lying = drawn().rotate(turn, expand=True)
    page = read_page(driver, pdf_of(lying, tmp_path / "a.pdf"), "application/pdf", 1)
    assert TEXT.split() == words_of(page)
    assert turn == page.rotation


def test_places_are_those_of_the_page_as_displayed(engine: Engine, tmp_path: Path) -> None:
    """On a page scanned upside down the first line stands at the bottom, from right to left."""
    page = read_page(engine, pdf_of(drawn().rotate(180), tmp_path / "a.pdf"), "application/pdf", 1)
    assert page.lines[0].box.top > page.lines[-1].box.top
    assert page.lines[0].words[0].box.left > page.lines[0].words[-1].box.left
    assert page.lines[0].box.bottom == pytest.approx(page.height - 68 * 0.36, abs=5)


def test_a_tilted_page_is_read_right(engine: Engine, tmp_path: Path) -> None:
    """A page three degrees askew reads like a straight one."""
    tilted = drawn(page=(1100, 800)).rotate(3, Image.Resampling.BICUBIC, fillcolor=255)
    page = read_page(engine, pdf_of(tilted, tmp_path / "a.pdf"), "application/pdf", 1)
    assert TEXT.split() == words_of(page)


def test_small_print_is_looked_at_closer(engine: Engine, tmp_path: Path) -> None:
    """A picture of few pixels is enlarged for a second reading; its places stay those of the page."""
    path, spy = tmp_path / "a.png", Spy(engine)
    drawn(SENTENCES * 2, size=34, page=(1100, 1000)).resize((275, 250), Image.Resampling.LANCZOS).save(path)
    page = read_page(spy, path, "image/png", 1)
    assert spy.asked[-1][0][0] > 500
    right = [word for word in words_of(page) if word in TEXT.split()]
    assert len(right) > 0.8 * len(words_of(page))
    assert max(word.box.right for line in page.lines for word in line.words) <= page.width


def test_blank_pages_have_no_text(driver: Engine, tmp_path: Path) -> None:
    """A blank page is a page, not an error."""
    page = read_page(driver, empty_pdf(tmp_path / "a.pdf", 300, 200), "application/pdf", 1)
    assert ("", "", 0, 0) == (page.text, page.language, len(page.lines), page.rotation)
    assert page.HasField("confidence")


def test_missing_language_is_told_before_rendering(engine: Engine, tmp_path: Path) -> None:
    """The language is checked first: the file need not even be there."""
    with pytest.raises(PageFault) as caught:
        read_page(engine, tmp_path / "nothing.pdf", "application/pdf", 1, "xyz")
    assert caught.value.code == "language_missing"
