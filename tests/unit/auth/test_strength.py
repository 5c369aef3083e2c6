"""Which passwords are refused."""

import asyncio
import secrets
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import InvalidArgument
from services.auth.strength import check_strength, require_strength

EMAIL = "marie.curie@example.org"
KNOWN = (EMAIL, "Marie Skłodowska", "Polonium & Radium")


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
        "Skłodowska7",
        "polonium1898",
        "q1w2e3r4t5y6",
        "hunter2hunter2",
        "123qweasdzxc",
        "ｐａｓｓｗｏｒｄ１２",
    ],
)
def test_refuses_short_and_common_ones(password: str) -> None:
    """A password that would be guessed first is WEAK_PASSWORD, and the field is named."""
    with pytest.raises(InvalidArgument) as caught:
        check_strength(password, *KNOWN)
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
        "a" * 100 + "then something of my own",
        "😀😃😄😁😆😅😂🤣😊😇",
    ],
)
def test_takes_the_rest(password: str) -> None:
    """A password of ten characters or more that is not guessed early is taken, in any script."""
    check_strength(password, *KNOWN)


def test_what_is_known_of_one_person_does_not_bind_another() -> None:
    """The same password is weak for whom it names, and good for the rest."""
    check_strength("Skłodowska7", EMAIL)
    check_strength("bob-built-9", "bob@example.org")


async def test_many_at_once_are_each_judged_by_what_is_known_of_them() -> None:
    """Nobody's name counts for another, however many register at the same moment."""
    names = [secrets.token_hex(8) for _ in range(20)]
    judged = await asyncio.gather(*(require_strength(name, name) for name in names), return_exceptions=True)
    assert [InvalidArgument] * 20 == [type(each) for each in judged]
    others = zip(names, names[1:] + names[:1], strict=True)
    await asyncio.gather(*(require_strength(name, other) for name, other in others))


@given(st.text(max_size=300), st.text(max_size=60))
def test_never_anything_but_a_verdict(password: str, name: str) -> None:
    """Whatever is typed is taken, or refused with its field."""
    fields = {"password"}
    try:
        check_strength(password, EMAIL, name)
    except InvalidArgument as error:
        fields = set(error.details.values())
    assert {"password"} == fields


def test_no_password_takes_long_to_judge() -> None:
    """One made to be slow to score, since every sign stands for two letters, costs less than a second of processor."""
    began = time.thread_time()
    check_strength("@$#|61{48+5%0[32!&<(/97<" * 10, *KNOWN)
    assert time.thread_time() - began < 1


def test_refuses_more_than_256_characters_without_calling_them_weak() -> None:
    """An endless password is a malformed argument."""
    with pytest.raises(InvalidArgument) as caught:
        check_strength("long " * 60, EMAIL)
    assert (caught.value.reason, caught.value.details) == ("INVALID_ARGUMENT", {"field": "password"})
