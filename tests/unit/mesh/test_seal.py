"""A seal is good for exactly what was sealed, by whom knows the secret, for one purpose."""

import pytest

from mesh.seal import Sealer

SEALER = Sealer("secret", "purpose")


def test_a_seal_is_good_for_what_was_sealed() -> None:
    """And made anew it is the same."""
    seal = SEALER.seal(b"a", b"bc")
    assert SEALER.is_good(seal, b"a", b"bc")
    assert seal == Sealer("secret", "purpose").seal(b"a", b"bc")


@pytest.mark.parametrize("parts", [(), (b"abc",), (b"ab", b"c"), (b"a", b"bc", b""), (b"bc", b"a")])
def test_a_seal_is_good_for_nothing_else(parts: tuple[bytes, ...]) -> None:
    """Not for the same bytes cut elsewhere either."""
    assert not SEALER.is_good(SEALER.seal(b"a", b"bc"), *parts)


@pytest.mark.parametrize("other", [Sealer("Secret", "purpose"), Sealer("secret", "other"), Sealer("", "purpose")])
def test_a_seal_is_good_for_one_secret_and_purpose(other: Sealer) -> None:
    """No secret is no secret that seals: nothing is good then, an empty seal least of all."""
    assert not other.is_good(SEALER.seal(b"a"), b"a")
    assert not SEALER.is_good(other.seal(b"a"), b"a")
    assert not Sealer("", "purpose").is_good(b"", b"a")
