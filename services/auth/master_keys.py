"""Master keys: they wrap the small keys that `auth` stores, and one can take another's place while all runs.

Whatever is wrapped carries the id of its master key. Every key that is known opens what it wrapped; new things are
wrapped by the one that the record names, so that replicas agree whatever the order in which they learn of a new one.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

log = logging.getLogger(__name__)

KEY_BYTES = 32
NONCE_BYTES = 12
_ID_LABEL = b"pagemesh master key id"
_ID_DIGITS = 16


class WrongMasterKey(Exception):
    """None of the master keys given is the one that something was stored under, whose id is told where it is known."""

    def __init__(self, key_id: str = "") -> None:
        self.key_id = key_id

    def __str__(self) -> str:
        named = f", of the id {self.key_id}" if self.key_id else ""
        return f"the master key does not open what is stored; give the one that it was stored under{named}"


class Altered(WrongMasterKey):
    """What is stored is not what was stored: its bytes have changed, or it stands in another's place."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key as it is stored: a nonce followed by its AES-256-GCM ciphertext.

    `master_key_id` is None for what was stored before ids were.
    """

    data: bytes = field(repr=False)
    master_key_id: str | None


class MasterKey:
    """One master key, 32 bytes. Its id tells it from others and nothing else of it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key
        self.id = hmac.new(key, _ID_LABEL, hashlib.sha256).hexdigest()[:_ID_DIGITS]

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes, the same for the same purpose, which nobody can tell who has not the master key (RFC 5869)."""
        return HKDFExpand(SHA256(), KEY_BYTES, purpose).derive(self._key)

    def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """The key as it may be stored; it opens only together with what it is bound to."""
        nonce = os.urandom(NONCE_BYTES)
        return Wrapped(nonce + self._cipher.encrypt(nonce, key, bound), self.id)

    def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """The key. Raises Altered."""
        try:
            return self._cipher.decrypt(wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise Altered from error


class MasterKeys:
    """The keys that are known: each opens, the current one wraps. Raises WrongMasterKey when that is not known."""

    def __init__(self, keys: Sequence[MasterKey], current: str) -> None:
        self._by_id = {key.id: key for key in keys}
        if current not in self._by_id:
            raise WrongMasterKey(current)
        self.current = self._by_id[current]

    def wrap(self, key: bytes, bound: bytes) -> Wrapped:
        """As `MasterKey.wrap`."""
        return self.current.wrap(key, bound)

    def unwrap(self, wrapped: Wrapped, bound: bytes) -> bytes:
        """The key. Raises WrongMasterKey, Altered."""
        if wrapped.master_key_id is None:
            return self._try_all(wrapped, bound)
        if wrapped.master_key_id not in self._by_id:
            raise WrongMasterKey(wrapped.master_key_id)
        return self._by_id[wrapped.master_key_id].unwrap(wrapped, bound)

    def _try_all(self, wrapped: Wrapped, bound: bytes) -> bytes:
        for key in self._by_id.values():
            try:
                return key.unwrap(wrapped, bound)
            except Altered:
                continue
        raise WrongMasterKey


class MasterKeyBook(Protocol):
    """Where it is recorded which master key wraps."""

    async def master_key_id(self) -> str | None:
        """Its id; None before the first start. Raises Unavailable."""


Read = Callable[[], Sequence[bytes]]


class KeyHolder:
    """The master keys of this replica: where they are given is looked at again, so that a new one needs no restart."""

    def __init__(self, read: Read, book: MasterKeyBook) -> None:
        self._read = read
        self._book = book
        self._given: list[MasterKey] = []
        self._known: MasterKeys | None = None

    def derive(self, purpose: bytes) -> bytes:
        """As `MasterKey.derive` of the current one as it was last looked at. Raises WrongMasterKey before that."""
        if self._known is None:
            raise WrongMasterKey
        return self._known.current.derive(purpose)

    async def known(self) -> MasterKeys:
        """The keys as they were last looked at. Raises WrongMasterKey, Unavailable."""
        return self._known or await self.fresh()

    async def fresh(self) -> MasterKeys:
        """The keys as they are now. Raises WrongMasterKey, Unavailable."""
        try:
            return await self._look()
        except WrongMasterKey:  # replaced between the two places that were looked at, perhaps
            return await self._look()

    async def _look(self) -> MasterKeys:
        recorded = await self._book.master_key_id()
        await self._read_again()
        self._known = MasterKeys(self._given, recorded or self._given[0].id)
        return self._known

    async def _read_again(self) -> None:
        try:
            self._given = [MasterKey(key) for key in await asyncio.to_thread(self._read)]
        except ValueError:
            if not self._given:
                raise
            log.warning("the master keys cannot be read again; going on with those known")


def parse(text: str) -> tuple[bytes, ...]:
    """Master keys, each 32 bytes as base64, between them blanks, commas or line ends. Raises ValueError."""
    try:
        keys = tuple(base64.b64decode(part, validate=True) for part in re.split(r"[\s,]+", text.strip()))
    except binascii.Error as error:
        raise ValueError("the master key cannot be read as base64") from error
    if any(len(key) != KEY_BYTES for key in keys):
        raise ValueError("PAGEMESH_MASTER_KEY or PAGEMESH_MASTER_KEY_FILE must hold 32 bytes as base64")
    return keys
