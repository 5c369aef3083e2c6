"""Signing keys: Ed25519, encrypted at rest, replaced by turns.

A key signs for one term. Its successor is published some minutes before it begins to sign, so that every verifier has
it by then, and a key is published for one more term after it ceased to sign. An old key therefore needs no list of
its own: what was made less than two terms ago verifies, and the newest whose time has come signs.
"""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_NONCE_BYTES = 12


class WrongMasterKey(Exception):
    """The stored signing keys were encrypted with another master key, or were altered."""

    def __str__(self) -> str:
        return "the master key does not open the stored signing keys; give the one that they were made with"


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A signing key as it is stored: a nonce followed by the AES-256-GCM ciphertext of the 32-byte private key."""

    kid: str
    sealed: bytes = field(repr=False)
    signs_from: datetime


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


class MasterKey:
    """Encrypts signing keys at rest."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes, the same for the same purpose, which nobody can tell who has not the master key (RFC 5869)."""
        return HKDFExpand(SHA256(), 32, purpose).derive(self._key)

    def seal(self, key: SigningKey) -> SealedKey:
        """The key as it may be stored; bound to its id, so that stored keys cannot be exchanged."""
        nonce = os.urandom(_NONCE_BYTES)
        text = self._cipher.encrypt(nonce, key.private.private_bytes_raw(), key.kid.encode())
        return SealedKey(key.kid, nonce + text, key.signs_from)

    def open(self, stored: SealedKey) -> SigningKey:
        """The key. Raises WrongMasterKey."""
        nonce, text = stored.sealed[:_NONCE_BYTES], stored.sealed[_NONCE_BYTES:]
        try:
            private = self._cipher.decrypt(nonce, text, stored.kid.encode())
        except InvalidTag as error:
            raise WrongMasterKey from error
        return SigningKey(stored.kid, Ed25519PrivateKey.from_private_bytes(private), stored.signs_from)


class KeyRing:
    """The keys in use, as far as they were last loaded."""

    def __init__(self, shelf: KeyShelf, master: MasterKey, term: timedelta) -> None:
        self._shelf = shelf
        self._master = master
        self._term = term
        self._keys: list[SigningKey] = []
        self._jwks = ""

    async def load(self) -> None:
        """Reads the keys, and makes the next when its time has come. Raises WrongMasterKey, Unavailable."""
        sealed = await self._shelf.signing_keys(self.candidate(), self._term)
        self._keys = [self._master.open(each) for each in sealed]
        self._jwks = json.dumps({"keys": [key.public_jwk() for key in self._keys]})

    def candidate(self) -> SealedKey:
        """A fresh key, as it may be stored."""
        return self._master.seal(new_key())

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
