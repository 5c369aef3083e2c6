from pagemesh.results.v1.page_pb2 import Page
from services.analysis.reading import Line, merge, read_document
from services.analysis.sentences import sentences
from tests.unit.analysis.pages import page, pages, table


def test_lines_carry_their_boxes() -> None:
    """Each line of the text has the box of the same line of the page, and knows whether it opens a paragraph."""
    document = read_document([page("One\n\nTwo\nThree")])
    expected = [
        Line(1, "One", (72.0, 72.0, 90.0, 82.0), True),
        Line(1, "Two", (72.0, 100.0, 90.0, 110.0), True),
        Line(1, "Three", (72.0, 114.0, 102.0, 124.0), False),
    ]
    assert expected == list(document.lines)


def test_text_without_lines_has_no_boxes() -> None:
    """A text task has no places: its lines come without boxes."""
    assert [(1, None)] == [(line.page, line.box) for line in read_document([Page(number=1, text="One")]).lines]


def test_sentences_of_a_text_are_its_lines() -> None:
    """Where nobody has broken lines; abbreviations and numbers of lists end none, and lines that have places stay."""
    text = "Dr. Brown paid EUR 48.6 million. He left in 2026. Total: 5\n1. Ships came. सभा। अब"
    lines = [(line.text, line.opens_paragraph) for line in read_document([Page(number=1, text=text)]).lines]
    assert [
        ("Dr. Brown paid EUR 48.6 million.", True),
        ("He left in 2026.", False),
        ("Total: 5", False),
        ("1. Ships came.", False),
        ("सभा।", False),
        ("अब", False),
    ] == lines
    assert ["He left in 2026. It was May."] == [
        line.text for line in read_document([page("He left in 2026. It was May.")]).lines
    ]


def test_a_cell_far_outside_makes_no_row_as_long_as_that() -> None:
    """Callers say where cells are; one beyond every table is left out."""
    sent = table([["Sales", "5"]])
    for column in (1_000, (1 << 31) - 1):
        sent.cells.add(row=0, column=column, text="far away")
    [row] = read_document([Page(number=1, tables=[sent])]).pages[0].rows
    assert ("Sales", "5") == row.cells


def test_a_table_row_knows_its_header() -> None:
    """Rows after the first carry the first row as header, and the box around their cells."""
    made = Page(number=1, tables=[table([["", "2024"], ["Sales", "5"]])])
    row = list(read_document([made]).rows)[1]
    assert (("Sales", "5"), ("", "2024"), (0.0, 20.0, 200.0, 40.0)) == (row.cells, row.header, row.box)


def test_a_book_on_one_line_is_cut() -> None:
    """Lines have a bounded length, and no word is lost in cutting them."""
    text = " ".join(f"word{n}" for n in range(1000))
    lines = [line.text for line in read_document([Page(number=1, text=text)]).lines]
    assert text == " ".join(lines)
    assert max(map(len, lines)) <= 1000


def test_running_heads_are_set_apart() -> None:
    """A line that stands at the edge of every page, its number aside, is no part of the body."""
    document = read_document(pages(*(f"Annual report page {n}\nBody {'abcd'[n]} of it" for n in range(4))))
    bodies = [[line.text for line in document.body(one)] for one in document.pages]
    assert [["Body a of it"], ["Body b of it"], ["Body c of it"], ["Body d of it"]] == bodies


def test_merge_is_the_box_around_all() -> None:
    """Merging takes the extremes and leaves out what has no place."""
    assert (1.0, 2.0, 9.0, 8.0) == merge([(1.0, 5.0, 4.0, 8.0), None, (3.0, 2.0, 9.0, 6.0)])
    assert merge([None]) is None


def test_a_sentence_may_run_over_lines_and_a_hyphen() -> None:
    """A sentence is joined over line ends, a word over its hyphen, and abbreviations end nothing."""
    text = "The committee of Dr. Smith has now finished the exami-\nnation of the papers that it was given. It is over."
    found = sentences(read_document([page(text)]))
    expected = ["The committee of Dr. Smith has now finished the examination of the papers that it was given."]
    assert expected == [sentence.text for sentence in found]
    assert [2] == [len(sentence.lines) for sentence in found]


def test_headings_and_figures_are_no_sentences() -> None:
    """Headings, table rows and fill-in lines do not count as prose."""
    text = "A HEADING IN CAPITALS\n12.0 13.5 14.9 15.2 Total 16.1 17.3\nName ______ of the person who signs here"
    assert [] == sentences(read_document([page(text)]))


def test_a_danda_ends_a_hindi_sentence() -> None:
    """The Devanagari danda ends a sentence."""
    first = "यह एक छोटा वाक्य है जो यहाँ समाप्त होता है।"
    second = "यह दूसरा वाक्य है जो उसके बाद आता है।"
    assert [first, second] == [sentence.text for sentence in sentences(read_document([page(f"{first} {second}")]))]
