"""Which passwords are refused."""

import pytest

from mesh.errors import InvalidArgument
from services.auth.strength import check_strength

EMAIL = "marie.curie@example.org"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short-one",
        "ninechars",
        "password12",
        "Password123!",
        "P@ssw0rd!!!",
        "pa55word2024",
        "Welcome2024",
        "passwordpassword",
        "Pässwörd1234",
        "letmein12345",
        "qwertyuiop",
        "poiuytrewq12",
        "1234567890",
        "0987654321",
        "01011990555",
        "abcdefghij",
        "abcdefghij1",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "1q2w3e4r5t",
        "a123456789",
        "marie.curie1",
        "MARIE.CURIE!!",
        "ｐａｓｓｗｏｒｄ１２",
    ],
)
def test_refuses_short_and_common_ones(password: str) -> None:
    """A password that would be guessed first is WEAK_PASSWORD, and the field is named."""
    with pytest.raises(InvalidArgument) as caught:
        check_strength(password, EMAIL)
    assert (caught.value.reason, caught.value.details) == ("WEAK_PASSWORD", {"field": "password"})


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "SecurePassword123!",
        "TestPassword123!",
        "Str0ng!Passphrase",
        "tr0ub4dor&3x",
        "x7#9!k2$5q",
        "#9!72$5k31",
        "verfassungsmäßig",
        "пароль-на-завтра",
        "一二三四五六七八九十",
        "8471920365184731",
        "marie.curie-found-radium",
        "k" + "9" * 3 + "-long-enough" * 20,
    ],
)
def test_takes_the_rest(password: str) -> None:
    """A password of ten characters or more that no rule names is taken, in any script."""
    check_strength(password, EMAIL)


def test_a_short_local_part_does_not_count() -> None:
    """An address that begins with a few letters does not forbid them in passwords."""
    check_strength("bob-built-9", "bob@example.org")


def test_refuses_more_than_256_characters_without_calling_them_weak() -> None:
    """An endless password is a malformed argument."""
    with pytest.raises(InvalidArgument) as caught:
        check_strength("long " * 60, EMAIL)
    assert (caught.value.reason, caught.value.details) == ("INVALID_ARGUMENT", {"field": "password"})
