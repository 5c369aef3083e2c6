"""Tesseract's TSV, one format for both drivers.

Columns, after Tesseract's manual: level, page, block, paragraph, line, word, left, top, width, height, confidence
(0 to 100), text. Rows of level 5 are words; the rows above them repeat the places of what contains the words.
"""

from __future__ import annotations

from itertools import groupby

from services.ocr.engine import Box, Line, Recognized, Word

_COLUMNS = 12


def parse(tsv: str) -> Recognized:
    """Lines with at least one word that is not blank; paragraphs are numbered from 0 in reading order."""
    rows = [row for row in (line.split("\t") for line in tsv.split("\n")) if _is_word(row)]
    lines: list[Line] = []
    paragraph, previous = -1, ("", "")
    for (block, part, _), group in groupby(rows, key=lambda row: (row[2], row[3], row[4])):
        if (block, part) != previous:
            paragraph, previous = paragraph + 1, (block, part)
        lines.append(Line(tuple(_word(row) for row in group), paragraph))
    return Recognized(tuple(lines))


def _is_word(row: list[str]) -> bool:
    return len(row) >= _COLUMNS and row[0] == "5" and bool(row[11].strip())


def _word(row: list[str]) -> Word:
    left, top, width, height = map(int, row[6:10])
    confidence = min(max(float(row[10]) / 100, 0.0), 1.0)
    return Word(row[11].strip(), Box(left, top, left + width, top + height), confidence)
