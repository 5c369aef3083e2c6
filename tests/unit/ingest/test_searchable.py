"""Recognized text is found where it stands, and nothing looks different."""

from io import BytesIO
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image

from pagemesh.results.v1.page_pb2 import Box, Line, Page, Word
from services.ingest.faults import DocumentFault
from services.ingest.searchable import searchable_pdf
from services.ingest.sniff import JPEG, PDF, PNG, TIFF
from tests.support import documents


def made(tmp_path: Path, content: bytes, mime_type: str, *recognized: Page) -> pdfium.PdfDocument:
    """The searchable document."""
    path = tmp_path / "original"
    path.write_bytes(content)
    return pdfium.PdfDocument(b"".join(searchable_pdf(path, mime_type, recognized)))


def page(number: int, width: float, height: float, words: dict[str, Box], rotation: int = 0) -> Page:
    """A page that was recognized."""
    lines = [Line(text=text, box=box, words=[Word(text=text, box=box)]) for text, box in words.items()]
    return Page(number=number, width=width, height=height, lines=lines, rotation=rotation)


def pixels(document: pdfium.PdfDocument, number: int) -> bytes:
    """The page as it looks."""
    return bytes(document[number].render(scale=1).to_pil().tobytes())


def places(document: pdfium.PdfDocument, number: int, word: str) -> tuple[float, ...]:
    """Left, bottom, right and top of a word in user space."""
    text = document[number].get_textpage()
    found = text.search(word, match_case=True).get_next()
    assert found is not None, text.get_text_range()
    boxes = [text.get_charbox(found[0] + offset) for offset in range(found[1])]
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


@pytest.mark.parametrize("word", ["Invoice", "किताबें", "日本"])
def test_words_stand_at_their_boxes(tmp_path: Path, word: str) -> None:
    """Of any script, on a scanned page; the page looks as before."""
    original = documents.scanned_pdf(2)
    before = pdfium.PdfDocument(original)
    width, height = before[1].get_size()
    box = Box(left=100, top=200, right=180, bottom=215)
    after = made(tmp_path, original, PDF, page(2, width, height, {word: box}))
    assert (100, height - 215, 180, height - 200) == pytest.approx(places(after, 1, word), abs=1)
    assert "" == after[0].get_textpage().get_text_range()
    assert [pixels(before, 0), pixels(before, 1)] == [pixels(after, 0), pixels(after, 1)]


def test_characters_beyond_the_basic_plane(tmp_path: Path) -> None:
    """Are extracted as they were recognized."""
    recognized = page(1, 100, 100, {"𐐀x": Box(left=1, top=1, right=9, bottom=3)})
    after = made(tmp_path, documents.scanned_pdf(1), PDF, recognized)
    assert "𐐀x" == after[0].get_textpage().get_text_range().strip()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turned_pages(tmp_path: Path, turn: int, rotation: int) -> None:
    """Text stands right however the page is displayed and however it was turned before it was read."""
    source = pdfium.PdfDocument(documents.scanned_pdf(1))
    source[0].set_rotation(turn)
    content = BytesIO()
    source.save(content)
    width, height = source[0].get_size()
    tall = rotation in (90, 270)
    box = Box(left=50, top=60, right=70 if tall else 150, bottom=160 if tall else 80)
    after = made(tmp_path, content.getvalue(), PDF, page(1, width, height, {"Word": box}, rotation))
    left, bottom, right, top = places(after, 0, "Word")
    x0, y0, x1, y1 = (50, 60, box.right, box.bottom)
    expected = {
        0: (x0, height - y1, x1, height - y0),
        90: (y0, x0, y1, x1),
        180: (width - x1, y0, width - x0, y1),
        270: (height - y1, width - x1, height - y0, width - x0),
    }[turn]
    assert expected == pytest.approx((left, bottom, right, top), abs=1)


def test_text_pages_stay(tmp_path: Path) -> None:
    """Pages that had text are as they were."""
    original = documents.mixed_pdf()
    before = pdfium.PdfDocument(original)
    scanned = next(n for n in range(len(before)) if not before[n].get_textpage().get_text_range().strip())
    after = made(tmp_path, original, PDF, page(scanned + 1, 100, 100, {"Word": Box(left=1, top=1, right=9, bottom=3)}))
    for number in range(len(before)):
        assert pixels(before, number) == pixels(after, number)
        if number != scanned:
            assert before[number].get_textpage().get_text_range() == after[number].get_textpage().get_text_range()


@pytest.mark.parametrize(
    ("content", "mime_type", "count"),
    [(documents.png("Text"), PNG, 1), (documents.jpeg("Text"), JPEG, 1), (documents.tiff(3), TIFF, 3)],
)
def test_pictures_become_pages(tmp_path: Path, content: bytes, mime_type: str, count: int) -> None:
    """One a frame, which looks like the picture, with boxes in proportion."""
    after = made(
        tmp_path, content, mime_type, page(count, 100, 200, {"Word": Box(left=10, top=20, right=60, bottom=30)})
    )
    width, height = after[count - 1].get_size()
    assert count == len(after)
    expected = (width * 0.1, height * 0.85, width * 0.6, height * 0.9)
    assert expected == pytest.approx(places(after, count - 1, "Word"), abs=1)
    with Image.open(BytesIO(content)) as picture:
        grey = picture.convert("L").resize((100, 140))
    shown = after[0].render(scale=1).to_pil().convert("L").resize((100, 140))
    difference = sum(abs(a - b) for a, b in zip(grey.tobytes(), shown.tobytes(), strict=True)) / 14_000
    assert difference < 8


@pytest.mark.parametrize(
    ("content", "mime_type", "code"),
    [
        (documents.encrypted_pdf("secret"), PDF, "password_required"),
        (b"%PDF-1.7 nothing", PDF, "corrupt_document"),
        (documents.png("Text")[:200], PNG, "corrupt_document"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, content: bytes, mime_type: str, code: str) -> None:
    """Says why."""
    with pytest.raises(DocumentFault) as fault:
        made(tmp_path, content, mime_type)
    assert code == fault.value.code
