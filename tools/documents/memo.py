"""`one-page.pdf`: a memo of one born-digital page, the document of the latency benchmark."""

from tools.documents.layout import document, heading, prose, title


def memo() -> bytes:
    """The memo as PDF bytes."""
    contents = [
        title("Memorandum"),
        prose("To: All staff of the Harbour Street office"),
        prose("From: Jonas Feld, facilities"),
        prose("Date: 4 May 2026"),
        heading("Move of the calibration laboratory"),
        prose(
            "The calibration laboratory moves from the second to the ground floor between Monday, 18 May and "
            "Wednesday, 20 May 2026. During these three days no instrument can be accepted. Please tell customers "
            "who want to bring one in person."
        ),
        prose(
            "The movers charge EUR 6,450.00 for the whole work; the offer was accepted on 28 April 2026. Insurance "
            "covers the reference weights up to EUR 120,000.00 in transit."
        ),
        prose(
            "From 21 May the laboratory is in room G.07, next to the loading bay. Its telephone number stays the "
            "same. The lift is reserved for the movers from 08:00 to 12:00 on each of the three days."
        ),
        heading("What you need to do"),
        prose("1. Collect your own instruments from the second floor by Friday, 15 May."),
        prose("2. Label every box with your name and the number of the new room."),
        prose("3. Return your old key to the reception; the new key cards are ready from 19 May."),
        prose("Questions go to facilities@northfell.example."),
    ]
    return document(contents, "Memorandum", "Jonas Feld", "Northfell Instruments Ltd - internal")
