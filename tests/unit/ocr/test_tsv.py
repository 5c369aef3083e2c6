"""Tesseract's TSV."""

from __future__ import annotations

from services.ocr.engine import Box, Line, Recognized, Word
from services.ocr.tsv import parse

HEADER = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"


def row(block: int, paragraph: int, line: int, word: int, text: str, conf: str = "96.5") -> str:
    return f"5\t1\t{block}\t{paragraph}\t{line}\t{word}\t10\t20\t30\t40\t{conf}\t{text}"


def test_words_become_lines() -> None:
    """Words of one block, paragraph and line stand in one line."""
    tsv = "\n".join([HEADER, "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t", row(1, 1, 1, 1, "one"), row(1, 1, 1, 2, "two"), ""])
    place = Box(10, 20, 40, 60)
    assert Recognized((Line((Word("one", place, 0.965), Word("two", place, 0.965)), 0),)) == parse(tsv)


def test_paragraphs_count_through_blocks() -> None:
    """A new paragraph and a new block both begin a paragraph."""
    tsv = "\n".join([row(1, 1, 1, 1, "a"), row(1, 1, 2, 1, "b"), row(1, 2, 1, 1, "c"), row(2, 1, 1, 1, "d")])
    assert [0, 0, 1, 2] == [line.paragraph for line in parse(tsv).lines]


def test_blank_words_are_left_out() -> None:
    """Tesseract reports pictures and rules as words of blanks."""
    assert Recognized(()) == parse("\n".join([HEADER, row(1, 1, 1, 1, " "), row(1, 1, 2, 1, "")]))


def test_confidence_stays_within_bounds() -> None:
    """Minus one, Tesseract's word for none, is zero."""
    assert [0.0, 1.0] == [
        word.confidence for word in parse(f"{row(1, 1, 1, 1, 'a', '-1')}\n{row(1, 1, 1, 2, 'b', '101')}").words
    ]
