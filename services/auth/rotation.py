"""Replacing the master key: everything that another one wrapped is wrapped by the new one, one piece at a time.

Each piece changes by itself and only if it is still what was read, so that this may be killed anywhere, repeated, and
run while the service works. From the first step on no replica wraps anything by another key.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.auth import envelope
from services.auth.keys import SealedKey
from services.auth.keys import rewrap as rewrap_signing_key
from services.auth.master_keys import MasterKey, MasterKeys, Wrapped, WrongMasterKey
from services.auth.provider_keys import bound_to

_BATCH = 500


@dataclass(frozen=True, slots=True)
class DataKey:
    """The wrapped data key of a provider key."""

    user_id: UUID
    provider: str
    wrapped: Wrapped


@dataclass(slots=True)
class Rotated:
    """What a rotation did. `unreadable` opened under no key that is known, and was left as it is."""

    key_id: str
    previous_key_id: str | None
    signing_keys: int = 0
    provider_keys: int = 0
    unreadable: int = 0


class RotationBook(Protocol):
    """Where wrapped keys are recorded. Every method raises Unavailable while it is away."""

    async def master_key_id(self) -> str | None:
        """Id of the master key that wraps; None before the first start."""

    async def make_current(self, key_id: str) -> None:
        """From now on nothing is recorded that another key wrapped."""

    async def signing_keys_beside(self, key_id: str) -> list[SealedKey]:
        """Signing keys that another key wrapped."""

    async def replace_signing_key(self, before: SealedKey, after: SealedKey) -> None:
        """Records a signing key as it is wrapped now, if it is still as it was."""

    async def data_keys_beside(self, key_id: str, after: DataKey | None, limit: int) -> list[DataKey]:
        """Data keys that another key wrapped, in one order, those after a given one."""

    async def replace_data_key(self, before: DataKey, after: Wrapped) -> None:
        """Records a data key as it is wrapped now, if it is still as it was."""


class Rotation:
    """Wraps everything by the first of the master keys that are given."""

    def __init__(self, book: RotationBook, keys: Sequence[bytes]) -> None:
        self._book = book
        given = [MasterKey(key) for key in keys]
        self._master = MasterKeys(given, given[0].id)
        self._ids = {key.id for key in given}

    async def run(self) -> Rotated:
        """Does it. Raises WrongMasterKey, before anything is changed, when the record's own key is not given."""
        done = Rotated(self._master.current.id, await self.check())
        await self._book.make_current(done.key_id)
        await self._signing_keys(done)
        await self._provider_keys(done)
        return done

    async def check(self) -> str | None:
        """Id of the key that wraps now. Raises WrongMasterKey when it is not among those given, Unavailable."""
        recorded = await self._book.master_key_id()
        if recorded is None:
            for key in await self._book.signing_keys_beside(self._master.current.id):
                rewrap_signing_key(key, self._master)
        elif recorded not in self._ids:
            raise WrongMasterKey(recorded)
        return recorded

    async def _signing_keys(self, done: Rotated) -> None:
        for key in await self._book.signing_keys_beside(done.key_id):
            try:
                after = rewrap_signing_key(key, self._master)
            except WrongMasterKey:
                done.unreadable += 1
                continue
            await self._book.replace_signing_key(key, after)
            done.signing_keys += 1

    async def _provider_keys(self, done: Rotated) -> None:
        async for key in self._data_keys(done.key_id):
            try:
                after = envelope.rewrap(key.wrapped, bound_to(key.user_id, key.provider), self._master)
            except WrongMasterKey:
                done.unreadable += 1
                continue
            await self._book.replace_data_key(key, after)
            done.provider_keys += 1

    async def _data_keys(self, key_id: str) -> AsyncIterator[DataKey]:
        last: DataKey | None = None
        while batch := await self._book.data_keys_beside(key_id, last, _BATCH):
            for last in batch:
                yield last
