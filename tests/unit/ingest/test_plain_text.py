"""Texts become pages that lose nothing, end where a reader would pause, and can be read one range at a time."""

from pathlib import Path

import pytest

from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ingest.child import handle
from services.ingest.plain_text import PAGE_CHARACTERS, read_text, split

SENTENCE = "The quick brown fox jumps over the lazy dog. "


@pytest.mark.parametrize(
    "text",
    [
        "short",
        SENTENCE * 500,
        "\n\n".join([SENTENCE * 20] * 40),
        "x" * 10_001,
        "यह एक वाक्य है। " * 900,
        "日本語の文です。" * 1_500,
        "\n" * 9_000,
    ],
)
def test_pieces_are_the_text_and_bounded(text: str) -> None:
    """However it is written."""
    pieces = split(text)
    assert text == "".join(pieces)
    assert max(map(len, pieces)) <= PAGE_CHARACTERS
    assert all(len(piece) >= PAGE_CHARACTERS // 2 for piece in pieces[:-1])


def test_a_page_ends_with_a_paragraph_before_a_sentence_before_a_word() -> None:
    """The best end in the second half of what fits."""
    paragraphs = f"{'a ' * 30}\n\n{'b. ' * 30}"
    assert f"{'a ' * 30}\n\n" == split(paragraphs, 100)[0]
    sentences = f"{'a' * 60}. {'b ' * 60}"
    assert f"{'a' * 60}. " == split(sentences, 100)[0]
    words = f"{'a' * 60} {'b' * 60}"
    assert f"{'a' * 60} " == split(words, 100)[0]


def test_no_character_is_parted_from_its_marks() -> None:
    """Where there is no better place."""
    text = "e\u0301" * 100
    assert all(not piece.startswith("\u0301") for piece in split(text, 51))


def test_line_ends_and_controls(tmp_path: Path) -> None:
    """One kind of line end; what PostgreSQL cannot hold is gone."""
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffone\r\ntwo\rthree\x00\x0bfour\tfive\x0csix".encode())
    assert "one\ntwo\nthreefour\tfive\n\nsix" == read_text(path)


def _frames(request: ReadRequest) -> list[ReadFrame]:
    return [ReadFrame.FromString(frame) for frame in handle(request.SerializeToString())]


def test_a_small_text_is_read_by_its_inspection(tmp_path: Path) -> None:
    """With its language, from the text and not from a picture, and without a place for its lines."""
    path = tmp_path / "text.txt"
    path.write_text(SENTENCE * 200)
    inspected, *pages = _frames(ReadRequest(path=str(path), mime_type="text/plain", inspect=True, read_small=True))
    assert [False] * len(pages) == [page.needs_ocr for page in inspected.inspected.pages]
    assert [1, 2, 3] == [frame.page.number for frame in pages]
    assert {("eng", 0.0, 0)} == {(f.page.language, f.page.width, len(f.page.lines)) for f in pages}


def test_a_long_text_is_read_in_ranges(tmp_path: Path) -> None:
    """Its inspection says how many pages there are; any of them can be read."""
    text = "".join(f"{number}. {SENTENCE}" for number in range(2_000))
    path = tmp_path / "text.txt"
    path.write_text(text)
    (inspected,) = _frames(ReadRequest(path=str(path), mime_type="text/plain", inspect=True, read_small=True))
    count = len(inspected.inspected.pages)
    assert 20 < count < 60
    pages = _frames(ReadRequest(path=str(path), mime_type="text/plain", pages=[2, count]))
    pieces = split(text)
    assert [(2, pieces[1]), (count, pieces[-1])] == [(frame.page.number, frame.page.text) for frame in pages]
