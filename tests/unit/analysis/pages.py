"""Pages made for these tests: a quarterly report, an invoice, a Hindi notice, and long ones."""

from collections.abc import Sequence

from pagemesh.results.v1.page_pb2 import PAGE_SOURCE_TEXT, Box, Cell, Line, Page, Table

REPORT = (
    "Quarterly report of Northwind Energy\n\n"
    "Northwind Energy is announcing the financial results of the second quarter of the year.\n"
    "Total revenue increased by 12.5% to $48.2 million compared with the first quarter of the year.\n"
    "Operating costs fell to $30.1 million because the new wind farms need less maintenance.\n\n"
    "Total revenue: $48.2 million\nOperating margin: 37.6%\nReport date: 30 June 2025"
)
SECOND = (
    "Outlook for the coming quarters\n\n"
    "Northwind Energy expects that the wind farms in the north will produce more energy than last year.\n"
    "The company must repay a loan of $5.0 million to the regional bank no later than December.\n"
    "The weather in the north remains the largest risk for the wind farms and for their revenue."
)
INVOICE = (
    "Bright Tools Ltd\n12 Harbour Street\n20457 Hamburg\n\nINVOICE\nInvoice Number: BT-2025-0042\n"
    "Invoice Date: 3 March 2025\nDue Date: 2 April 2025\n\nHammer 2 12.50 25.00\nSaw 1 24.00 24.00\n"
    "Subtotal $49.00\nVAT 20% $9.80\nGrand Total $58.80"
)
HINDI = (
    "सूचना\n\nनगर निगम ने इस वर्ष जल आपूर्ति के लिए ₹ ५ करोड़ का बजट स्वीकृत किया है। "
    "पिछले वर्ष की तुलना में जल आपूर्ति में १२ प्रतिशत की वृद्धि हुई है। "
    "नगर निगम के अनुसार जल आपूर्ति का काम अगले वर्ष तक पूरा हो जाएगा।\n\n"
    "कुल राशि: ₹ १,२३,४५६.५०\nदिनांक: १५ अगस्त २०२५"
)


def page(text: str, number: int = 1) -> Page:
    """A page whose lines stand 14 points apart, 10 points high, six points a character wide."""
    made = Page(number=number, width=612, height=792, source=PAGE_SOURCE_TEXT, text=text)
    top = 72.0
    for line in text.split("\n"):
        if line.strip():
            made.lines.append(Line(text=line, box=Box(left=72, top=top, right=72 + 6 * len(line), bottom=top + 10)))
        top += 14.0
    return made


def pages(*texts: str) -> list[Page]:
    """Pages numbered from 1."""
    return [page(text, number) for number, text in enumerate(texts, start=1)]


def table(rows: Sequence[Sequence[str]]) -> Table:
    """A table with a box around each cell, 100 by 20 points."""
    cells = [
        Cell(row=r, column=c, row_span=1, column_span=1, text=text, box=_cell_box(r, c))
        for r, row in enumerate(rows)
        for c, text in enumerate(row)
    ]
    return Table(row_count=len(rows), column_count=len(rows[0]), cells=cells)


def _cell_box(row: int, column: int) -> Box:
    return Box(left=100.0 * column, top=20.0 * row, right=100.0 * (column + 1), bottom=20.0 * (row + 1))
