"""Signing keys."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.keys import KeyRing, MasterKey, SealedKey, WrongMasterKey, new_key, thumbprint

MASTER = MasterKey(b"m" * 32)
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
    ring = KeyRing(Shelf([MASTER.seal(key) for key in keys]), MASTER, TERM)
    await ring.load()
    return ring, [key.kid for key in keys]


def test_a_sealed_key_opens_under_its_master_key() -> None:
    """The private key comes back whole, and its bytes are not among the sealed ones."""
    key = new_key()
    sealed = MASTER.seal(key)
    assert key.public_jwk() == MASTER.open(sealed).public_jwk()
    assert key.private.private_bytes_raw() not in sealed.sealed


def test_another_master_key_does_not_open_it() -> None:
    """A wrong master key is told as such."""
    with pytest.raises(WrongMasterKey, match="does not open"):
        MasterKey(b"n" * 32).open(MASTER.seal(new_key()))


def test_a_sealed_key_cannot_pass_for_another() -> None:
    """What was sealed under one id does not open under another, nor altered."""
    sealed = MASTER.seal(new_key())
    altered = sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])
    for forged in (replace(sealed, kid=new_key().kid), replace(sealed, sealed=altered)):
        with pytest.raises(WrongMasterKey):
            MASTER.open(forged)


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
