"""Entries on the real broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from mesh.bus import Bus
from mesh.entries import ABSENT, Entries
from mesh.errors import TooMuch, Unavailable
from mesh.settings import MeshSettings
from mesh.streams import IDEMPOTENCY, idempotency_subject
from tests.support.broker import eventually
from tests.support.servers import NatsServer

_DAY = 86_400


@pytest.fixture
def entries(bus: Bus) -> Entries:
    return Entries(bus, IDEMPOTENCY)


@pytest.fixture
async def other(settings: MeshSettings) -> AsyncIterator[Entries]:
    """A second process' entries, as far as the broker can tell."""
    bus = await Bus.connect(settings)
    yield Entries(bus, IDEMPOTENCY)
    await bus.close()


@pytest.fixture
def subject() -> str:
    return idempotency_subject("test", uuid.uuid4().hex)


async def test_one_of_many_makes_it(entries: Entries, other: Entries, subject: str) -> None:
    """Of 100 writers on two connections that want to make an entry one does, and its content is what is read."""
    writers = [entries, other] * 50
    writes = [one.put(subject, b"%d" % number, ABSENT, _DAY) for number, one in enumerate(writers)]
    revisions = await asyncio.gather(*writes)
    (winner,) = [number for number, revision in enumerate(revisions) if revision]
    found = await other.get(subject)
    assert found is not None
    assert (b"%d" % winner, revisions[winner]) == (found.payload, found.revision)


async def test_a_stale_write_changes_nothing(entries: Entries, other: Entries, subject: str) -> None:
    """Only who names the newest revision writes over it, also when it never was there."""
    first = await entries.put(subject, b"first", ABSENT, _DAY)
    assert first is not None
    second = await other.put(subject, b"second", first, _DAY)
    assert [None, None, None] == [await entries.put(subject, b"x", stale, _DAY) for stale in (first, ABSENT, 1 << 40)]
    found = await entries.get(subject)
    assert found is not None
    assert (b"second", second) == (found.payload, found.revision)


async def test_an_entry_ends_by_itself(entries: Entries, subject: str) -> None:
    """After its time it is not there, and can be made again."""

    async def gone() -> bool:
        return await entries.get(subject) is None

    assert await entries.put(subject, b"first", ABSENT, 1)
    assert not await gone()
    await eventually(gone, within=10)
    assert await entries.put(subject, b"second", ABSENT, _DAY)


async def test_age_by_the_broker(entries: Entries, subject: str) -> None:
    """It grows, and begins anew with each write."""
    revision = await entries.put(subject, b"", ABSENT, _DAY)
    found = await entries.get(subject)
    assert found is not None
    assert revision == found.revision
    young = await entries.age(found)
    await entries.put(subject, b"", found.revision, _DAY)
    again = await entries.get(subject)
    assert again is not None
    older = await entries.age(found)
    assert 0 <= young < older < 60
    assert await entries.age(again) < await entries.age(found)


async def test_dropping_a_revision(entries: Entries, subject: str) -> None:
    """A revision that was written over is not dropped; dropping what is gone does nothing."""
    first = await entries.put(subject, b"first", ABSENT, _DAY)
    second = await entries.put(subject, b"second", first or 0, _DAY)
    assert first is not None
    assert second is not None
    await entries.drop(first)
    assert await entries.get(subject) is not None
    for _ in range(2):
        await entries.drop(second)
    assert await entries.get(subject) is None
    assert await entries.put(subject, b"third", ABSENT, _DAY)


async def test_too_large(entries: Entries, subject: str) -> None:
    """What the broker never takes is no reason to wait for it."""
    with pytest.raises(TooMuch):
        await entries.put(subject, b"x" * (5 << 20), ABSENT, _DAY)


async def test_broker_away(nats_server: NatsServer, entries: Entries, subject: str) -> None:
    """While the broker is away nothing is known; after a crash of it, what was confirmed is."""
    assert await entries.put(subject, b"kept", ABSENT, _DAY)
    found = await entries.get(subject)
    assert found is not None
    nats_server.kill()
    for asking in (
        lambda: entries.put(subject, b"", ABSENT, _DAY),
        lambda: entries.get(subject),
        lambda: entries.age(found),
        lambda: entries.drop(found.revision),
    ):
        with pytest.raises(Unavailable):
            await asking()
    nats_server.start()

    async def back() -> bool:
        try:
            return await entries.get(subject) == found
        except Unavailable:
            return False

    await eventually(back)
