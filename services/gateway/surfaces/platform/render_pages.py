"""Pages and tables as the platform API shows them: JSON, Markdown and CSV."""

import csv
import io
import re
from collections.abc import Sequence

from pagemesh.results.v1 import page_pb2
from services.gateway.surfaces.platform import shapes

_MARKDOWN = str.maketrans({"|": r"\|", "\n": "<br>"})


def page(record: page_pb2.Page, blocks: bool) -> shapes.Page:
    """A page; with `blocks`, its lines and words too."""
    shown: shapes.Page = {
        "number": record.number,
        "width": round(record.width, 2),
        "height": round(record.height, 2),
        "source": "ocr" if record.source == page_pb2.PAGE_SOURCE_OCR else "text",
        "language": record.language or None,
        "confidence": round(record.confidence, 4) if record.HasField("confidence") else None,
        "rotation": record.rotation,
        "engine": record.engine,
        "text": record.text,
        "tables": [table(one) for one in record.tables],
    }
    if blocks:
        shown["blocks"] = [_line(line) for line in record.lines]
    return shown


def table(record: page_pb2.Table) -> shapes.Table:
    """A table."""
    return {
        "bbox": _box(record.box),
        "row_count": record.row_count,
        "column_count": record.column_count,
        "rows": grid(record),
        "cells": [_cell(cell) for cell in record.cells],
    }


def grid(record: page_pb2.Table) -> list[list[str]]:
    """The texts of a table by row and column; a merged cell's at its upper left corner, empty strings elsewhere."""
    rows = [[""] * record.column_count for _ in range(record.row_count)]
    for cell in record.cells:
        if 0 <= cell.row < record.row_count and 0 <= cell.column < record.column_count:
            rows[cell.row][cell.column] = cell.text
    return rows


def csv_of(tables: Sequence[page_pb2.Table]) -> str:
    """Tables as CSV (RFC 4180), one after another, parted by an empty line."""
    blocks = []
    for record in tables:
        block = io.StringIO()
        csv.writer(block).writerows(grid(record))
        blocks.append(block.getvalue())
    return "\r\n".join(blocks)


def plain_text(record: page_pb2.Page) -> str:
    """A page's text, ended by a form feed, as plain text has always parted pages."""
    return f"{record.text}\n\f"


def markdown(record: page_pb2.Page) -> str:
    """A page in Markdown: its paragraphs, and its tables where their text stands."""
    pieces: list[str] = []
    placed: set[int] = set()
    for line, text in _lines_of_text(record):
        index = _table_of(line, record.tables)
        if index is None:
            pieces.append(text)
        elif index not in placed:
            placed.add(index)
            pieces.append(f"\n{markdown_table(record.tables[index])}\n")
    rest = [markdown_table(one) for index, one in enumerate(record.tables) if index not in placed]
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(pieces)).strip("\n")
    return "\n\n".join([f"<!-- page {record.number} -->", *([body] if body else []), *rest]) + "\n\n"


def markdown_table(record: page_pb2.Table) -> str:
    """A table in GitHub-flavoured Markdown, whose first row is the head."""
    rows = [[text.strip().translate(_MARKDOWN) for text in row] for row in grid(record)]
    if not rows:
        return ""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, f"|{' --- |' * record.column_count}", *body])


def _lines_of_text(record: page_pb2.Page) -> list[tuple[page_pb2.Line | None, str]]:
    """The lines of the page's text, each with its place where the page knows it."""
    texts = record.text.split("\n")
    if sum(1 for text in texts if text) != len(record.lines):
        return [(None, text) for text in texts]
    lines = iter(record.lines)
    return [(next(lines) if text else None, text) for text in texts]


def _table_of(line: page_pb2.Line | None, tables: Sequence[page_pb2.Table]) -> int | None:
    if line is None:
        return None
    middle = (line.box.top + line.box.bottom) / 2
    centre = (line.box.left + line.box.right) / 2
    for index, record in enumerate(tables):
        if record.box.top <= middle <= record.box.bottom and record.box.left <= centre <= record.box.right:
            return index
    return None


def _line(record: page_pb2.Line) -> shapes.Line:
    return {"text": record.text, "bbox": _box(record.box), "words": [_word(word) for word in record.words]}


def _word(record: page_pb2.Word) -> shapes.Word:
    confidence = round(record.confidence, 4) if record.HasField("confidence") else None
    return {"text": record.text, "bbox": _box(record.box), "confidence": confidence}


def _cell(record: page_pb2.Cell) -> shapes.Cell:
    return {
        "row": record.row,
        "column": record.column,
        "row_span": record.row_span,
        "column_span": record.column_span,
        "text": record.text,
        "bbox": _box(record.box),
    }


def _box(record: page_pb2.Box) -> shapes.Box:
    return {
        "left": round(record.left, 2),
        "top": round(record.top, 2),
        "right": round(record.right, 2),
        "bottom": round(record.bottom, 2),
    }
