"""Tables of born-digital pages."""

from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from pagemesh.results.v1 import page_pb2
from services.ingest.text import ExtractionMode, extract_pages
from tests.unit.ingest.documents import Painter, cells, lines, pdf, text, together

ROWS = [["Fruit", "2023", "2024"], ["Apples", "12.5", "14.0"], ["Pears", "7.1", "6.9"], ["Plums", "3.3", "4.8"]]
PROSE = "The quick brown fox jumps over the lazy dog and runs on"
LEFTS = (110, 260, 360)


def _tables(path: Path, *painters: Painter, mode: ExtractionMode = "mixed") -> list[page_pb2.Table]:
    [page] = extract_pages(pdf(path / "a.pdf", together(*painters)), [1], mode)
    assert isinstance(page, page_pb2.Page)
    return list(page.tables)


def _rows(table: page_pb2.Table) -> list[list[str]]:
    grid = [[""] * table.column_count for _ in range(table.row_count)]
    for cell in table.cells:
        grid[cell.row][cell.column] = cell.text
    return grid


def _grid(xs: tuple[float, ...], ys: tuple[float, ...]) -> Painter:
    across = [(xs[0], y, xs[-1], y) for y in ys]
    return lines(*across, *((x, ys[0], x, ys[-1]) for x in xs))


def test_grid_of_lines(tmp_path: Path) -> None:
    """Lines around every cell make the table, wherever text stands in a cell."""
    [table] = _tables(tmp_path, _grid((100, 250, 350, 450), (86, 106, 126, 146, 166)), cells(ROWS, LEFTS))
    assert ROWS == _rows(table)
    assert (100, 86) == (round(table.box.left), round(table.box.top))


def test_merged_cells_span(tmp_path: Path) -> None:
    """A missing line between two cells makes them one, at its upper left place."""
    frame = _grid((100, 250, 350, 450), (106, 126, 146, 166))
    head = lines((100, 86, 450, 86), (100, 86, 100, 106), (250, 86, 250, 106), (450, 86, 450, 106))
    rows = [["Fruit", "Tonnes", ""], *ROWS[1:]]
    [table] = _tables(tmp_path, frame, head, cells(rows, LEFTS))
    [merged] = [cell for cell in table.cells if cell.text == "Tonnes"]
    assert (0, 1, 1, 2) == (merged.row, merged.column, merged.row_span, merged.column_span)
    assert 11 == len(table.cells)


def test_filled_boxes_are_lines(tmp_path: Path) -> None:
    """Thin filled rectangles part cells as strokes do."""

    def bars(canvas: Canvas) -> None:
        for y in (86, 106, 126, 146, 166):
            canvas.rect(100, 842 - y, 350, 0.7, fill=1, stroke=0)
        for x in (100, 250, 350, 450):
            canvas.rect(x, 842 - 166, 0.7, 80, fill=1, stroke=0)

    [table] = _tables(tmp_path, bars, cells(ROWS, LEFTS))
    assert ROWS == _rows(table)


def test_aligned_text_without_lines(tmp_path: Path) -> None:
    """Columns of figures under their heads are a table by alignment alone."""
    [table] = _tables(tmp_path, text(PROSE, PROSE, PROSE, top=50), cells(ROWS, LEFTS, top=140))
    assert ROWS == _rows(table)


def test_head_over_two_columns_spans_them(tmp_path: Path) -> None:
    """A head that stands over several columns of an aligned table is one cell over them."""
    rows = [["Town", "14", "15", "16"], ["Village", "24", "25", "26"], ["Farm", "34", "35", "36"]]
    head = text("Tonnes of apples and pears", left=255, top=90, size=10)
    [table] = _tables(tmp_path, head, cells(rows, (110, 250, 310, 370), top=110))
    assert [("Tonnes of apples and pears", 3)] == [(c.text, c.column_span) for c in table.cells if c.column_span > 1]


def test_wrapped_label_is_one_cell(tmp_path: Path) -> None:
    """A label's second line belongs to the row that it continues."""
    rows = [ROWS[0], ["Apples sold", "12.5", "14.0"], *ROWS[2:]]
    wrapped = text("abroad", left=110, top=171, size=10)
    [table] = _tables(tmp_path, cells(rows[:2], LEFTS, top=140), wrapped, cells(rows[2:], LEFTS, top=190))
    assert ["Apples sold\nabroad", "12.5", "14.0"] == _rows(table)[1]


def test_prose_is_no_table(tmp_path: Path) -> None:
    """Neither one column of running text nor two make a table."""
    one = text(*[PROSE] * 12)
    assert [] == _tables(tmp_path, one)
    left = text(*["the quick brown fox jumps over"] * 12, left=60, size=10)
    right = text(*["a lazy dog and then runs on"] * 12, left=320, size=10)
    assert [] == _tables(tmp_path, left, right)


def test_list_is_no_table(tmp_path: Path) -> None:
    """The marks of a list are no column."""
    rows = [[f"{number}.", f"entry {number} of the list"] for number in range(1, 7)]
    assert [] == _tables(tmp_path, cells(rows, (72, 100)))


def test_frame_around_text_is_no_table(tmp_path: Path) -> None:
    """One box around a paragraph encloses no cells."""
    assert [] == _tables(tmp_path, _grid((60, 500), (60, 200)), text(PROSE, PROSE, PROSE, left=80, top=90))


def test_text_mode_looks_for_none(tmp_path: Path) -> None:
    """Whoever asks for text alone does not pay for tables."""
    frame = _grid((100, 250, 350, 450), (86, 106, 126, 146, 166))
    assert [] == _tables(tmp_path, frame, cells(ROWS, LEFTS), mode="text")
