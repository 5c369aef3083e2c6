import pytest

from services.analysis.evidence import EvidenceIndex
from services.analysis.reading import read_document
from tests.unit.analysis.pages import INVOICE, REPORT, SECOND, pages


@pytest.fixture
def index() -> EvidenceIndex:
    return EvidenceIndex(read_document(pages(REPORT, SECOND, INVOICE)))


def test_a_true_quote_is_verified_with_its_box(index: EvidenceIndex) -> None:
    """A quote that stands on the page is verified, and its box is that of its line."""
    found = index.locate("Grand Total $58.80", 3)
    assert ("verified", 3, (72.0, 254.0, 180.0, 264.0)) == (found.match, found.page, found.box)


def test_a_quote_over_two_lines_has_one_box(index: EvidenceIndex) -> None:
    """The boxes of the lines that a quote touches are merged."""
    found = index.locate("Due Date: 2 April 2025 Hammer 2 12.50", 3)
    assert ("verified", (72.0, 170.0, 204.0, 208.0)) == (found.match, found.box)


@pytest.mark.parametrize(
    "quote",
    ["TOTAL   revenue increased by 12.5%", "“Total revenue increased by 12.5%”", "Total revenue\nincreased by 12.5%"],
)
def test_case_quotes_and_spaces_do_not_matter(index: EvidenceIndex, quote: str) -> None:
    """Verification looks at words and figures alone."""
    assert "verified" == index.locate(quote, 1).match


def test_a_wrong_page_is_put_right(index: EvidenceIndex) -> None:
    """A quote found on another page than claimed names the page where it is."""
    assert 2 == index.locate("repay a loan of $5.0 million", 1).page


def test_a_near_quote_is_fuzzy(index: EvidenceIndex) -> None:
    """A quote with a slip in it is found, and said to be near."""
    found = index.locate("The company should repay a loan of $5.0 million to the regional bank", 2)
    assert ("fuzzy", 2, True) == (found.match, found.page, found.box is not None)


def test_a_changed_figure_is_not_near(index: EvidenceIndex) -> None:
    """However alike the words, a figure that is not there makes a quote unsupported."""
    found = index.locate("The company must repay a loan of $8.0 million to the regional bank", 2)
    assert ("unsupported", None) == (found.match, found.box)


def test_an_invented_quote_is_unsupported(index: EvidenceIndex) -> None:
    """What stands nowhere is kept, and named unsupported."""
    quote = "The chairman resigned over the affair of the missing turbines"
    assert {"page": 1, "quote": quote, "box": None, "match": "unsupported"} == index.locate(quote, 1).as_json()


def test_a_word_inside_another_is_not_a_match(index: EvidenceIndex) -> None:
    """ "tal" stands inside "Total" but is no quote of it."""
    assert "unsupported" == index.locate("tal", 1).match


def test_an_empty_quote_is_unsupported(index: EvidenceIndex) -> None:
    """A quote of nothing but signs proves nothing."""
    assert "unsupported" == index.locate(" … ", 1).match


def test_hyphens_at_line_ends_do_not_hide_a_quote() -> None:
    """A word broken at the end of a line is found whole."""
    index = EvidenceIndex(read_document(pages("the exami-\nnation of the papers")))
    assert "verified" == index.locate("the examination of the papers").match


def test_decimals_are_not_run_together() -> None:
    """1.2 is not 12."""
    index = EvidenceIndex(read_document(pages("a sum of 12 million")))
    assert "unsupported" == index.locate("a sum of 1.2 million").match
