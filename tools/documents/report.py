"""`quarterly-report.pdf`: three born-digital pages of an invented company, with two ruled tables and one borderless."""

from reportlab.platypus import Flowable

from tools.documents.layout import borderless_table, caption, document, heading, page_break, prose, ruled_table, title

COMPANY = "Northfell Instruments Ltd"

INCOME = (
    ("EUR million", "Q3 2026", "Q3 2025", "Change"),
    ("Revenue", "48.6", "42.3", "14.9%"),
    ("Cost of sales", "27.7", "25.0", "10.8%"),
    ("Gross profit", "20.9", "17.3", "20.8%"),
    ("Research and development", "6.1", "5.2", "17.3%"),
    ("Sales and administration", "7.4", "7.1", "4.2%"),
    ("Operating profit", "7.4", "5.0", "48.0%"),
    ("Net profit", "5.5", "3.7", "48.6%"),
)
SEGMENTS = (
    ("Segment", "Revenue", "Share", "Growth", "Order backlog"),
    ("Water quality sensors", "21.8", "44.9%", "22.5%", "30.2"),
    ("Laboratory balances", "15.3", "31.5%", "6.3%", "11.7"),
    ("Service and calibration", "11.5", "23.7%", "13.9%", "18.4"),
    ("Total", "48.6", "100.0%", "14.9%", "60.3"),
)
CASH = (
    ("EUR million", "30 September 2026", "30 June 2026"),
    ("Cash and cash equivalents", "18.2", "15.9"),
    ("Trade receivables", "24.4", "22.1"),
    ("Inventories", "19.7", "20.6"),
    ("Borrowings", "12.0", "14.5"),
    ("Equity", "71.3", "65.8"),
)


def _first_page() -> list[Flowable]:
    return [
        title(COMPANY),
        heading("Quarterly report: third quarter of 2026"),
        prose("Published on 29 October 2026. All figures are unaudited and in millions of euros unless stated."),
        heading("Highlights"),
        prose(
            "Revenue rose by 14.9% to EUR 48.6 million, from EUR 42.3 million in the third quarter of 2025. The gross "
            "margin improved to 43.0% (2025: 40.9%), because the new sensor line needs fewer purchased parts. "
            "Operating profit was EUR 7.4 million, an increase of 48.0%."
        ),
        prose(
            "The order backlog stood at EUR 60.3 million on 30 September 2026. The largest single order, worth EUR "
            "4.2 million, came from the Harrow Valley water authority on 14 August 2026 and will be delivered in "
            "three parts until March 2027."
        ),
        heading("Income statement"),
        caption("Table 1: Condensed income statement"),
        ruled_table(INCOME, (60, 32, 32, 32)),
        prose(
            "Research and development cost EUR 6.1 million, which is 12.6% of revenue. Most of it went into the "
            "second generation of the turbidity probe, whose field tests ended on 11 September 2026."
        ),
        prose(
            "Sales and administration grew by 4.2% only. The move of the head office to Harbour Street in May 2026 "
            "lowers the yearly rent by EUR 0.3 million."
        ),
    ]


def _second_page() -> list[Flowable]:
    return [
        heading("Segments"),
        prose(
            "Water quality sensors were again the strongest segment, with growth of 22.5%. Demand came from utilities "
            "that replace manual sampling by continuous measurement. Laboratory balances grew by 6.3%; deliveries of "
            "EUR 0.9 million slipped into October because of a late shipment of load cells."
        ),
        caption("Table 2: Revenue and order backlog by segment (EUR million)"),
        ruled_table(SEGMENTS, (54, 28, 24, 24, 32)),
        prose(
            "Service and calibration contributed EUR 11.5 million. Of the 3,180 service contracts, 94.1% were renewed "
            "in the twelve months to 30 September 2026 (2025: 92.7%)."
        ),
        heading("People"),
        prose(
            "The group employed 612 people at the end of the quarter, 38 more than a year before. Of these, 171 work "
            "in research and development. Dr. Ilse Marchetti joined the board as chief technology officer on 1 July "
            "2026; she follows Peter Oduya, who retired after nineteen years with the company."
        ),
        heading("Risks"),
        prose(
            "The company buys its load cells from two suppliers, one of which announced a price increase of 7% from "
            "January 2027. A second risk is the exchange rate: 31% of revenue is invoiced in US dollars. A fall of "
            "the dollar by 5% would lower the operating profit of a year by about EUR 1.1 million."
        ),
    ]


def _third_page() -> list[Flowable]:
    return [
        heading("Financial position"),
        caption("Table 3: Selected balance sheet items"),
        borderless_table(CASH, (70, 46, 46)),
        prose(
            "Cash flow from operations was EUR 8.3 million. The company repaid EUR 2.5 million of its bank loan and "
            "spent EUR 3.5 million on equipment, so that net cash is EUR 6.2 million (30 June 2026: EUR 1.4 million)."
        ),
        heading("Outlook"),
        prose(
            "For the whole of 2026 the board expects revenue between EUR 188 million and EUR 192 million, up from "
            "EUR 171.4 million in 2025, and an operating margin of 14% to 15%. Before, it had expected revenue "
            "between EUR 182 million and EUR 188 million."
        ),
        prose("The report on the full year will be published on 25 February 2027."),
        heading("Contact"),
        prose("Investor relations: Mara Lindqvist, investors@northfell.example, telephone +44 1632 960 114."),
    ]


def quarterly_report() -> bytes:
    """The report as PDF bytes."""
    contents = [*_first_page(), page_break(), *_second_page(), page_break(), *_third_page()]
    return document(contents, "Quarterly report, Q3 2026", COMPANY, f"{COMPANY} - Quarterly report Q3 2026")
