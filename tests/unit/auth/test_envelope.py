"""Envelope encryption of secrets."""

from dataclasses import replace
from uuid import uuid4

import pytest

from services.auth.envelope import Envelope, rewrap, seal, unseal
from services.auth.master_keys import Altered, WrongMasterKey
from services.auth.provider_keys import bound_to
from tests.unit.auth.masters import masters

SECRET = "sk-ant-api03-secret"
MASTER = masters(b"m")
ADA, BOB = uuid4(), uuid4()
BOUND = bound_to(ADA, "anthropic")


def test_a_secret_comes_back_whole() -> None:
    """It is nowhere among the stored bytes, and the same secret is never stored twice alike."""
    envelope, again = seal(SECRET, BOUND, MASTER), seal(SECRET, BOUND, MASTER)
    assert SECRET == unseal(envelope, BOUND, MASTER)
    assert SECRET.encode() not in envelope.sealed + envelope.data_key.data
    assert (False, False) == (envelope.sealed == again.sealed, envelope.data_key == again.data_key)


@pytest.mark.parametrize(
    "other", [bound_to(BOB, "anthropic"), bound_to(ADA, "openai"), b""], ids=["user", "provider", "nobody"]
)
def test_a_secret_opens_in_its_own_row_alone(other: bytes) -> None:
    """Moved to another user or another provider it does not open."""
    with pytest.raises(Altered):
        unseal(seal(SECRET, BOUND, MASTER), other, MASTER)


def test_halves_of_two_rows_do_not_make_one() -> None:
    """Neither a data key nor a ciphertext can be exchanged, not even between two secrets of one row."""
    first, second = seal(SECRET, BOUND, MASTER), seal("another", BOUND, MASTER)
    for mixed in (replace(first, sealed=second.sealed), replace(first, data_key=second.data_key)):
        with pytest.raises(Altered):
            unseal(mixed, BOUND, MASTER)


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_changed_bit_is_noticed(place: int) -> None:
    """In nonce, ciphertext and tag."""
    envelope = seal(SECRET, BOUND, MASTER)
    sealed = bytearray(envelope.sealed)
    sealed[place] ^= 1
    with pytest.raises(Altered):
        unseal(replace(envelope, sealed=bytes(sealed)), BOUND, MASTER)


@pytest.mark.parametrize("sealed", [b"", bytes(5), bytes(12), bytes(27)])
def test_what_was_cut_off_is_noticed(sealed: bytes) -> None:
    """However little is left."""
    with pytest.raises(Altered):
        unseal(replace(seal(SECRET, BOUND, MASTER), sealed=sealed), BOUND, MASTER)


def test_another_master_key_does_not_open_it() -> None:
    """The wrong key is told from changed bytes."""
    with pytest.raises(WrongMasterKey) as caught:
        unseal(seal(SECRET, BOUND, MASTER), BOUND, masters(b"n"))
    assert WrongMasterKey is caught.type


def test_the_master_key_is_replaced_without_touching_the_secret() -> None:
    """Wrapped again, the data key opens under the new master key and no more under the old."""
    envelope = seal(SECRET, BOUND, MASTER)
    again = Envelope(rewrap(envelope.data_key, BOUND, masters(b"n", b"m")), envelope.sealed)
    assert SECRET == unseal(again, BOUND, masters(b"n"))
    with pytest.raises(WrongMasterKey):
        unseal(again, BOUND, MASTER)


def test_nothing_is_wrapped_again_for_another_row() -> None:
    """A data key that stands in the wrong row stays as it is."""
    with pytest.raises(Altered):
        rewrap(seal(SECRET, BOUND, MASTER).data_key, bound_to(BOB, "anthropic"), MASTER)


def test_an_envelope_does_not_show_its_bytes() -> None:
    """In a repr, which may come into a log."""
    assert "sealed" not in repr(seal(SECRET, BOUND, MASTER))
