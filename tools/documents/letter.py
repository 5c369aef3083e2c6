"""`scanned-letter.pdf`: two page images of an invented letter with a list of invoiced items, as from a scanner."""

from dataclasses import dataclass, field
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFont

from tools.documents.scan import DPI, pdf_of_images, scanned

# Bitstream Vera, which reportlab ships; its licence allows embedding, and here only its shapes are used.
FONTS = Path(reportlab.__file__).parent / "fonts"
WIDTH, HEIGHT = 1654, 2339  # A4 at 200 dpi, in pixels
MARGIN = 190
JPEG_QUALITY = 45

OPENING = """\
Alder & Quince Restoration
14 Millrace Lane
Westbridge WB4 2QT
Telephone 01632 960 871

Northfell Instruments Ltd
Accounts department
3 Harbour Street
Westbridge WB1 7EA

12 March 2026

Our reference: AQ-2026-0318

Dear Ms Lindqvist,

Thank you for asking us to restore the four mahogany balance
cases of your company museum. The work was finished on
6 March 2026, one week earlier than we had planned, and the
cases were returned to your reception on 9 March 2026.

As agreed in our letter of 20 November 2025, we list the single
items below. The old glass of case three could be kept after all,
so that we charge 120.00 less than we had estimated.
"""
ITEMS = (
    ("Item", "Quantity", "Price", "Amount"),
    ("Cleaning of mahogany case", "4", "185.00", "740.00"),
    ("Glass pane, hand drawn", "3", "96.50", "289.50"),
    ("Brass hinge, recast", "8", "42.00", "336.00"),
    ("Shellac polish, hours", "22", "38.00", "836.00"),
    ("Transport, both ways", "1", "150.00", "150.00"),
)
TOTALS = (("Net amount", "2,351.50"), ("VAT 20%", "470.30"), ("Total due (GBP)", "2,821.80"))
CLOSING = """\
Page 2                                     AQ-2026-0318

Please pay the total of GBP 2,821.80 by 11 April 2026 to the
account below. A deposit of GBP 500.00, received on
2 December 2025, has not been deducted; we shall return it by
bank transfer as soon as your payment has arrived.

Account name: Alder & Quince Restoration
Sort code: 00-12-34
Account number: 00456789
Payment reference: AQ-2026-0318

Two remarks for the care of the cases:

1. Keep the humidity of the room between 45% and 55%. Below
   40% the veneer of case two may lift again.

2. Dust the polish with a dry cloth only. We offer to look at
   all four cases once a year for GBP 90.00 a visit; the first
   would be due in March 2027.

It was a pleasure to work on such well made instruments. Please
call me if anything is not as you expected.

Yours sincerely,


Edmund Quince
Master cabinet maker
"""


@dataclass(slots=True)
class Sheet:
    """A page that is written from its top to its bottom; lengths are in pixels."""

    y: int = MARGIN
    ink: Image.Image = field(default_factory=lambda: Image.new("L", (WIDTH, HEIGHT), 0))

    def cell(self, x: int, text: str, bold: bool = False, anchor: str = "ls") -> None:
        """Write one piece of text at `x`, on the current line."""
        font = ImageFont.truetype(str(FONTS / ("VeraBd.ttf" if bold else "Vera.ttf")), round(11 * DPI / 72))
        ImageDraw.Draw(self.ink).text((x, self.y), text, fill=255, font=font, anchor=anchor)

    def feed(self, lines: float = 1.0) -> None:
        """Go down; a line is 15 points high."""
        self.y += round(lines * 15 * DPI / 72)

    def write(self, text: str) -> None:
        """Write lines of text, the first of them bold."""
        for number, line in enumerate(text.splitlines()):
            self.cell(MARGIN, line, bold=number == 0)
            self.feed()

    def rule(self) -> None:
        """A line across the page."""
        y = self.y - 28
        ImageDraw.Draw(self.ink).line((MARGIN, y, WIDTH - MARGIN, y), fill=255, width=3)


def _write_items(sheet: Sheet) -> None:
    right = WIDTH - MARGIN
    for number, (item, quantity, price, amount) in enumerate(ITEMS):
        sheet.cell(MARGIN, item, bold=number == 0)
        for x, text in ((right - 460, quantity), (right - 220, price), (right, amount)):
            sheet.cell(x, text, bold=number == 0, anchor="rs")
        sheet.feed(1.2)
        if number in (0, len(ITEMS) - 1):
            sheet.rule()
            sheet.feed(0.2)
    for label, amount in TOTALS:
        sheet.cell(right - 460, label, anchor="rs")
        sheet.cell(right, amount, bold=label.startswith("Total"), anchor="rs")
        sheet.feed(1.2)


def _sign(sheet: Sheet) -> None:
    """A pen stroke above the name, as an OCR engine meets in real letters."""
    points = [(0, 30), (25, -35), (45, 25), (75, -10), (100, 15), (135, -20), (170, 12), (215, -4), (300, 6)]
    stroke = [(MARGIN + 10 + x, sheet.y - 145 + y) for x, y in points]
    ImageDraw.Draw(sheet.ink).line(stroke, fill=210, width=5, joint="curve")


def scanned_letter() -> bytes:
    """The letter as PDF bytes: 200 dpi, greyscale, no text layer."""
    first, second = Sheet(), Sheet()
    first.write(OPENING)
    first.feed()
    _write_items(first)
    second.write(CLOSING)
    _sign(second)
    pages = [scanned(first.ink, degrees=0.6, seed=1), scanned(second.ink, degrees=-0.4, seed=2)]
    return pdf_of_images(pages, "Scan", JPEG_QUALITY)
