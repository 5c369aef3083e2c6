"""What happens every minute."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from mesh.errors import Unavailable
from services.auth import upkeep as module
from services.auth.keys import KeyRing, SealedKey, new_key, seal
from services.auth.master_keys import WrongMasterKey
from services.auth.upkeep import keeping_up, upkeep
from tests.unit.auth.masters import Held, masters

MASTER = masters(b"m")


class Shelf:
    """Gives a key, or fails; counts how often it was swept."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.key = seal(new_key(), MASTER)
        self.swept = asyncio.Semaphore(0)

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> Sequence[SealedKey]:
        """The key. Raises the failure."""
        if self.failure:
            raise self.failure
        return [self.key]

    async def forget_expired(self) -> None:
        """Counts."""
        self.swept.release()


def ring_of(shelf: Shelf) -> KeyRing:
    """A ring that loads from the shelf."""
    return KeyRing(shelf, Held(MASTER), timedelta(days=30))


async def test_follows_the_keys_of_other_replicas() -> None:
    """A key that another replica made is published after the next round."""
    shelf = Shelf()
    keys = ring_of(shelf)
    await upkeep(keys, shelf)
    shelf.key = seal(new_key(), MASTER)
    assert shelf.key.kid not in await keys.jwks()
    await upkeep(keys, shelf)
    assert shelf.key.kid in await keys.jwks()


@pytest.mark.parametrize("failure", [Unavailable("The database is away."), WrongMasterKey()])
async def test_goes_on_with_the_keys_it_has_when_a_round_fails(failure: Exception) -> None:
    """A round that fails changes nothing and stops nothing."""
    shelf = Shelf()
    keys = ring_of(shelf)
    await upkeep(keys, shelf)
    shelf.failure = failure
    await upkeep(keys, shelf)
    assert shelf.key.kid in await keys.jwks()


async def test_goes_round_until_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sweeps again and again inside the block, and its task ends with it."""
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.0)
    shelf = Shelf()
    before = asyncio.all_tasks()
    async with keeping_up(ring_of(shelf), shelf):
        for _ in range(3):
            await asyncio.wait_for(shelf.swept.acquire(), 10)
    assert before == asyncio.all_tasks()
