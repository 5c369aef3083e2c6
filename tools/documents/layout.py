"""What the born-digital demo documents share: reproducible files, styles, and tables with and without rules."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, StyleSheet1, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

Rows = Sequence[tuple[str, ...]]
Rule = tuple[str, tuple[int, int], tuple[int, int], *tuple[Any, ...]]
_MARGIN = 22 * mm


def _styles() -> StyleSheet1:
    styles = getSampleStyleSheet()
    body = ParagraphStyle("Prose", parent=styles["BodyText"], fontSize=10, leading=14, spaceAfter=7)
    caption = ParagraphStyle("Caption", parent=body, fontName="Helvetica-Oblique", fontSize=9, spaceBefore=6)
    styles.add(body)
    styles.add(caption)
    return styles


STYLES = _styles()


def title(text: str) -> Flowable:
    """The heading of the whole document."""
    return Paragraph(text, STYLES["Title"])


def heading(text: str) -> Flowable:
    """The heading of a section."""
    return Paragraph(text, STYLES["Heading2"])


def prose(text: str) -> Flowable:
    """One paragraph."""
    return Paragraph(text, STYLES["Prose"])


def caption(text: str) -> Flowable:
    """The line above a table."""
    return Paragraph(text, STYLES["Caption"])


def page_break() -> Flowable:
    """What follows begins a new page."""
    return PageBreak()


def _table(rows: Rows, widths_mm: Sequence[float], look: list[Rule]) -> Flowable:
    common: list[Rule] = [
        ("FONTSIZE", (0, 0), (-1, -1), 9),
        ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ]
    widths = [width * mm for width in widths_mm]
    return Table(rows, colWidths=widths, style=TableStyle(common + look), spaceBefore=4, spaceAfter=10)


def ruled_table(rows: Rows, widths_mm: Sequence[float]) -> Flowable:
    """A table with a line around every cell; the first row is its header, columns after the first align right."""
    grid: Rule = ("GRID", (0, 0), (-1, -1), 0.5, colors.black)
    shade: Rule = ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e4eaf1"))
    return _table(rows, widths_mm, [grid, shade])


def borderless_table(rows: Rows, widths_mm: Sequence[float]) -> Flowable:
    """The same arrangement without any line: only white space parts the columns."""
    return _table(rows, widths_mm, [("LEFTPADDING", (0, 0), (0, -1), 0)])


def document(flowables: Sequence[Flowable], name: str, author: str, footer: str) -> bytes:
    """An A4 PDF, the same bytes for the same contents, with `footer` and the page number below each page."""

    def foot(canvas: Canvas, template: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(_MARGIN, 12 * mm, footer)
        canvas.drawRightString(A4[0] - _MARGIN, 12 * mm, f"Page {template.page}")

    output = BytesIO()
    template = SimpleDocTemplate(
        output,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=name,
        author=author,
        invariant=1,
    )
    template.build(list(flowables), onFirstPage=foot, onLaterPages=foot)
    return output.getvalue()
