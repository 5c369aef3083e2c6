"""Signing keys: Ed25519, encrypted at rest, replaced by turns.

A key signs for one term. Its successor is published some minutes before it begins to sign, so that every verifier has
it by then, and a key is published for one more term after it ceased to sign. An old key therefore needs no list of
its own: what was made less than two terms ago verifies, and the newest whose time has come signs.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.master_keys import MasterKeys, Wrapped, WrongMasterKey


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A signing key as it is stored: its 32 bytes, wrapped by a master key (None: by one whose id was not stored)."""

    kid: str
    sealed: bytes = field(repr=False)
    signs_from: datetime
    master_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key in use."""

    kid: str
    private: Ed25519PrivateKey = field(repr=False)
    signs_from: datetime

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037 section 2)."""
        return {**_jwk(self.private), "kid": self.kid, "use": "sig", "alg": "EdDSA"}


class KeyShelf(Protocol):
    """Where sealed keys are stored."""

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> Sequence[SealedKey]:
        """The keys that verify, oldest first, the candidate among them if the newest before has had its term."""


class Holder(Protocol):
    """Who has the master keys."""

    async def fresh(self) -> MasterKeys:
        """The keys as they are now. Raises WrongMasterKey, Unavailable."""


class KeyRing:
    """The keys in use, as far as they were last loaded."""

    def __init__(self, shelf: KeyShelf, master: Holder, term: timedelta) -> None:
        self._shelf = shelf
        self._master = master
        self._term = term
        self._keys: list[SigningKey] = []
        self._jwks = ""

    async def load(self) -> None:
        """Reads the keys, and makes the next when its time has come. Raises WrongMasterKey, Unavailable."""
        try:
            await self._load()
        except WrongMasterKey:  # replaced between the two reads, perhaps
            await self._load()

    async def _load(self) -> None:
        master = await self._master.fresh()
        stored = await self._shelf.signing_keys(seal(new_key(), master), self._term)
        if not stored:  # the candidate's master key was replaced meanwhile
            raise WrongMasterKey
        self._keys = [unseal(each, master) for each in stored]
        self._jwks = json.dumps({"keys": [key.public_jwk() for key in self._keys]})

    async def candidate(self) -> SealedKey:
        """A fresh key, as it may be stored. Raises WrongMasterKey, Unavailable."""
        return seal(new_key(), await self._master.fresh())

    @property
    def newest(self) -> SigningKey:
        """The key that signs now, or the next one if that is published already."""
        return self._keys[-1]

    def signing(self, now: datetime) -> SigningKey:
        """The key that signs now. The oldest steps in where this machine's clock is behind the one that dated it."""
        return next((key for key in reversed(self._keys) if key.signs_from <= now), self._keys[0])

    async def jwks(self) -> str:
        """Public halves of all keys that verify: a JWK Set (RFC 7517) as JSON."""
        return self._jwks


def seal(key: SigningKey, master: MasterKeys) -> SealedKey:
    """The key as it may be stored; bound to its id, so that stored keys cannot be exchanged."""
    wrapped = master.wrap(key.private.private_bytes_raw(), key.kid.encode())
    return SealedKey(key.kid, wrapped.data, key.signs_from, wrapped.master_key_id)


def unseal(stored: SealedKey, master: MasterKeys) -> SigningKey:
    """The key. Raises WrongMasterKey, Altered."""
    private = master.unwrap(Wrapped(stored.sealed, stored.master_key_id), stored.kid.encode())
    return SigningKey(stored.kid, Ed25519PrivateKey.from_private_bytes(private), stored.signs_from)


def rewrap(stored: SealedKey, master: MasterKeys) -> SealedKey:
    """The same key under the current master key. Raises WrongMasterKey, Altered."""
    return seal(unseal(stored, master), master)


def new_key() -> SigningKey:
    """A fresh key that may sign at once."""
    private = Ed25519PrivateKey.generate()
    return SigningKey(thumbprint(private), private, datetime.now(UTC))


def thumbprint(private: Ed25519PrivateKey) -> str:
    """The key's id: a hash of its public half. Source: RFC 7638 section 3, RFC 8037 section 2."""
    members = json.dumps(_jwk(private), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(members.encode()).digest())


def _jwk(private: Ed25519PrivateKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(private.public_key().public_bytes_raw())}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
