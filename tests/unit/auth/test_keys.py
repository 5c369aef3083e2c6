"""Signing keys."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.keys import KeyRing, SealedKey, new_key, rewrap, seal, thumbprint, unseal
from services.auth.master_keys import MasterKeys, WrongMasterKey
from tests.unit.auth.masters import Held, masters

MASTER = masters(b"m")
TERM = timedelta(days=30)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Shelf:
    """Holds what it is given."""

    def __init__(self, keys: Sequence[SealedKey]) -> None:
        self.keys = keys

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> Sequence[SealedKey]:
        """The keys as they are."""
        return self.keys


async def ring_of(*signs_from: datetime) -> tuple[KeyRing, list[str]]:
    """A ring with a key for each date, and their ids."""
    keys = [replace(new_key(), signs_from=date) for date in signs_from]
    ring = KeyRing(Shelf([seal(key, MASTER) for key in keys]), Held(MASTER), TERM)
    await ring.load()
    return ring, [key.kid for key in keys]


def test_a_sealed_key_opens_under_its_master_key() -> None:
    """The private key comes back whole, and its bytes are not among the sealed ones."""
    key = new_key()
    sealed = seal(key, MASTER)
    assert key.public_jwk() == unseal(sealed, MASTER).public_jwk()
    assert key.private.private_bytes_raw() not in sealed.sealed


def test_another_master_key_does_not_open_it() -> None:
    """A wrong master key is told as such."""
    with pytest.raises(WrongMasterKey, match="does not open"):
        unseal(seal(new_key(), MASTER), masters(b"n"))


def test_a_sealed_key_cannot_pass_for_another() -> None:
    """What was sealed under one id does not open under another, nor altered."""
    sealed = seal(new_key(), MASTER)
    altered = sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])
    for forged in (replace(sealed, kid=new_key().kid), replace(sealed, sealed=altered)):
        with pytest.raises(WrongMasterKey):
            unseal(forged, MASTER)


def test_a_key_of_an_older_release_opens_under_any_known_master_key() -> None:
    """Without a stored id each is tried; wrapped again it has one, and is the same key."""
    key = new_key()
    old = replace(seal(key, MASTER), master_key_id=None)
    both = masters(b"n", b"m")
    again = rewrap(old, both)
    assert (both.current.id, key.public_jwk()) == (again.master_key_id, unseal(again, masters(b"n")).public_jwk())
    with pytest.raises(WrongMasterKey):
        unseal(old, masters(b"n"))


class Replacing(Held):
    """Master keys of which another has been made current when they are looked at again."""

    def __init__(self, *known: MasterKeys) -> None:
        self._known = list(known)

    async def fresh(self) -> MasterKeys:
        """The next."""
        return self._known.pop(0)


async def test_a_master_key_that_is_replaced_while_keys_are_read_is_asked_for_again() -> None:
    """A ring that holds the old one alone learns of the new one."""
    key = new_key()
    ring = KeyRing(Shelf([seal(key, masters(b"n"))]), Replacing(MASTER, masters(b"n", b"m")), TERM)
    await ring.load()
    assert key.kid == ring.signing(NOW).kid


async def test_publishes_every_key_and_no_private_half() -> None:
    """The JWK Set has all keys, with public members alone."""
    ring, kids = await ring_of(NOW - TERM, NOW, NOW + timedelta(minutes=10))
    jwks = json.loads(await ring.jwks())["keys"]
    assert kids == [key["kid"] for key in jwks]
    assert {"kty", "crv", "x", "kid", "use", "alg"} == set().union(*jwks)


async def test_the_newest_key_whose_time_has_come_signs() -> None:
    """A successor is published before it signs."""
    ring, kids = await ring_of(NOW - TERM, NOW)
    moments = (NOW - timedelta(seconds=1), NOW, NOW + TERM)
    assert [kids[0], kids[1], kids[1]] == [ring.signing(moment).kid for moment in moments]


async def test_the_first_key_signs_even_when_the_clock_is_behind() -> None:
    """A clock behind the database's does not leave the service without a key."""
    ring, kids = await ring_of(NOW, NOW + timedelta(minutes=10))
    assert kids[0] == ring.signing(NOW - timedelta(seconds=5)).kid


def test_the_id_is_the_thumbprint_of_rfc_8037() -> None:
    """The key of RFC 8037 appendix A.1 has the thumbprint of appendix A.3."""
    private = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    expected = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert expected == thumbprint(Ed25519PrivateKey.from_private_bytes(private))
