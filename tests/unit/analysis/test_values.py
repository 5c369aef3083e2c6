import pytest

from services.analysis.values import Value, find_dates, find_values, parse_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,23,456", 123456.0),
        ("56,02", 56.02),
        ("1,234", 1234.0),
        ("1.234.567", 1234567.0),
        ("१,२३४.५", 1234.5),
    ],
)
def test_numbers_are_read_in_every_habit(text: str, expected: float) -> None:
    """Grouping and decimal signs are told apart, in Devanagari digits too."""
    assert expected == parse_number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Revenue of $1.2 million", ("$1.2 million", "amount", 1_200_000.0, "USD")),
        ("₹ ५ करोड़", ("₹ ५ करोड़", "amount", 50_000_000.0, "INR")),
        ("Total RM 64.15", ("RM 64.15", "amount", 64.15, "MYR")),
        ("56,02 €", ("56,02 €", "amount", 56.02, "EUR")),
        ("a loss of ($5,000)", ("($5,000)", "amount", -5000.0, "USD")),
        ("up 12.5%", ("12.5%", "percent", 12.5, None)),
        ("२५ प्रतिशत", ("२५ प्रतिशत", "percent", 25.0, None)),
        ("120 people", ("120", "number", 120.0, None)),
        ("rounding -0.02", ("-0.02", "amount", -0.02, None)),
    ],
)
def test_figures_keep_their_text_and_meaning(text: str, expected: tuple[str, str, float, str | None]) -> None:
    """A figure is quoted as printed, with its currency, scale and sign understood."""
    assert [expected] == [(value.text, value.kind, value.number, value.currency) for value in find_values(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on August 3, 2014", "2014-08-03"),
        ("29 maart 2014", "2014-03-29"),
        ("१५ अगस्त २०२५", "2025-08-15"),
        ("13/03/2018", "2018-03-13"),
        ("03/13/2018", "2018-03-13"),
        ("2022-11-28", "2022-11-28"),
        ("8-9-22", "2022-09-08"),
    ],
)
def test_dates_are_read_in_every_form(text: str, expected: str) -> None:
    """Dates in figures and words are read, in several languages."""
    assert [expected] == [value.day for value in find_dates(text)]


def test_an_impossible_date_is_none() -> None:
    """The 31st of February is left out."""
    assert [] == find_dates("31/02/2020")


def test_figures_inside_a_date_are_not_counted_again() -> None:
    """A date is one value, not three numbers."""
    assert [Value("3/4/2020", "date", 0, 8, day="2020-04-03")] == find_values("3/4/2020")


def test_endless_digits_are_no_number() -> None:
    """A figure too long to mean anything is left out, rather than read as infinity."""
    assert [] == find_values("9" * 400)


def test_digits_inside_words_are_no_figures() -> None:
    """Names such as A4 and x86 hold no figures."""
    assert [] == find_values("A4 paper for x86")
