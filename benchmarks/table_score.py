"""How well found tables agree with true ones: the adjacency relations of the ICDAR 2013 table competition.

Göbel, Hassan, Oro and Orsi, "A methodology for evaluating algorithms for table understanding in PDF documents"
(DocEng 2012). A relation is a pair of neighbouring cells, right or below, with blank cells skipped; a merged cell
counts once. Cells are compared without white space.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from pagemesh.results.v1 import page_pb2

Relation = tuple[str, str, str]


class Score(NamedTuple):
    """Precision, recall and their harmonic mean, 0 to 1."""

    precision: float
    recall: float
    f1: float


def score(found: Counter[Relation], true: Counter[Relation]) -> Score:
    """Agreement of two bags of relations."""
    common = (found & true).total()
    precision = common / found.total() if found else 0.0
    recall = common / true.total() if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return Score(precision, recall, f1)


def relations_of_truth(tables: Iterable[dict[str, Any]]) -> Counter[Relation]:
    """Relations of tables given as `rows` of strings and `spans` of [row, column, last row, last column]."""
    relations: Counter[Relation] = Counter()
    for table in tables:
        owners = [[(row, column) for column in range(len(cells))] for row, cells in enumerate(table["rows"])]
        for top, left, bottom, right in table.get("spans", []):
            for row in range(top, bottom + 1):
                owners[row][left : right + 1] = [(top, left)] * (right + 1 - left)
        texts = {(row, column): text for row, cells in enumerate(table["rows"]) for column, text in enumerate(cells)}
        relations += _relations(owners, texts)
    return relations


def relations_of_tables(tables: Iterable[page_pb2.Table]) -> Counter[Relation]:
    """Relations of extracted tables."""
    relations: Counter[Relation] = Counter()
    for table in tables:
        owners = [[(row, column) for column in range(table.column_count)] for row in range(table.row_count)]
        for cell in table.cells:
            for row in range(cell.row, cell.row + cell.row_span):
                owners[row][cell.column : cell.column + cell.column_span] = [(cell.row, cell.column)] * cell.column_span
        relations += _relations(owners, {(cell.row, cell.column): cell.text for cell in table.cells})
    return relations


def _relations(owners: Sequence[Sequence[tuple[int, int]]], texts: dict[tuple[int, int], str]) -> Counter[Relation]:
    """Relations in a grid whose every place names the upper left place of the cell that covers it."""
    squeezed = {place: "".join(text.split()) for place, text in texts.items()}
    width = max(map(len, owners), default=0)
    columns = [[row[index] for row in owners if index < len(row)] for index in range(width)]
    pairs = {("right", *pair) for row in owners for pair in _neighbours(row, squeezed)}
    pairs |= {("below", *pair) for column in columns for pair in _neighbours(column, squeezed)}
    return Counter((squeezed[first], squeezed[second], direction) for direction, first, second in pairs)


def _neighbours(
    places: Sequence[tuple[int, int]], texts: dict[tuple[int, int], str]
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    filled = [place for place in dict.fromkeys(places) if texts.get(place)]
    return list(pairwise(filled))
