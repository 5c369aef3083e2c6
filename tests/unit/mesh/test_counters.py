"""Counting on the real broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from mesh.bus import Bus
from mesh.counters import Counters
from mesh.errors import Unavailable
from mesh.settings import MeshSettings
from mesh.streams import quota_subject
from tests.support.servers import NatsServer


@pytest.fixture
async def counters(bus: Bus) -> Counters:
    counters = Counters(bus)
    await counters.start()
    return counters


@pytest.fixture
async def other(settings: MeshSettings) -> AsyncIterator[Counters]:
    """A second process' counters, as far as the broker can tell."""
    bus = await Bus.connect(settings)
    counters = Counters(bus)
    await counters.start()
    yield counters
    await bus.close()


def _subject() -> str:
    return quota_subject(uuid.uuid4().hex, "minute", 60)


async def test_every_addition_is_told_its_own_sum(counters: Counters, other: Counters) -> None:
    """Two connections that add at once get every number from 1 up exactly once between them."""
    subject = _subject()
    both = [counters, other] * 100
    answers = await asyncio.gather(*(one.add([(subject, 1)]) for one in both))
    assert list(range(1, 201)) == sorted(value for (value,) in answers)


async def test_several_subjects_in_one_trip(counters: Counters) -> None:
    """Answers come in the order of the additions, whatever was added."""
    first, second = _subject(), _subject()
    assert [3, 40] == await counters.add([(first, 3), (second, 40)])
    await counters.tell(second, -15)
    assert [4, 26] == await counters.add([(first, 1), (second, 1)])


async def test_a_subject_without_counters_is_no_zero(counters: Counters) -> None:
    """What the broker does not count is an error, not a count."""
    with pytest.raises(Unavailable):
        await counters.add([("work.nothing.normal", 1)])


async def test_broker_away(nats_server: NatsServer, counters: Counters) -> None:
    """While the broker is away there is no count; when it is back, there is again."""
    subject = _subject()
    await counters.add([(subject, 1)])
    nats_server.kill()
    with pytest.raises(Unavailable):
        await counters.add([(subject, 1)])
    nats_server.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await counters.add([(_subject(), 1)])
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break
