"""Mail addresses and names."""

import pytest

from mesh.errors import InvalidArgument
from services.auth.fields import check_email, check_name


@pytest.mark.parametrize(
    "email",
    [
        "a@example.org",
        "first.last+tag@mail.example.co.uk",
        "o'neil_99@example-site.io",
        "用户@例子.公司",
        "x" * 64 + "@example.org",
    ],
)
def test_takes_addresses(email: str) -> None:
    """An address stays as it was typed."""
    assert email == check_email(email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "plain",
        "@example.org",
        "a@",
        "a@host",
        "a@@example.org",
        "a b@example.org",
        " a@example.org",
        "a@example.org\n",
        "a\x00b@example.org",
        ".a@example.org",
        "a..b@example.org",
        "a@example..org",
        "a@-example.org",
        "a@example.org.",
        "a@exam_ple_.org",
        "x" * 65 + "@example.org",
        "ü" * 33 + "@example.org",
        "a@" + "b." * 130 + "org",
    ],
)
def test_refuses_what_is_no_address(email: str) -> None:
    """Anything else is INVALID_ARGUMENT and names the field."""
    with pytest.raises(InvalidArgument) as caught:
        check_email(email)
    assert ("INVALID_ARGUMENT", {"field": "email"}) == (caught.value.reason, caught.value.details)


def test_takes_names_of_any_script_without_blanks_around() -> None:
    """A name is kept but for the blanks around it."""
    assert "Мария Склодовская-Кюри" == check_name("  Мария Склодовская-Кюри ", "full_name")


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "a\nb"])
def test_refuses_names_that_cannot_be_shown(name: str) -> None:
    """Empty, endless and unprintable names are INVALID_ARGUMENT and name the field."""
    with pytest.raises(InvalidArgument) as caught:
        check_name(name, "full_name")
    assert {"field": "full_name"} == caught.value.details
