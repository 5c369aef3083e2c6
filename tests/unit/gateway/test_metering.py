"""Calls counted and told: nothing is lost, and telling again does no harm."""

from dataclasses import dataclass, field

import pytest

from mesh.errors import Unavailable
from pagemesh.gateway.v1.events_pb2 import CallsCounted
from services.gateway.metering import SUBJECT, CallMeter

_DAY = 86_400


@dataclass
class Wire:
    """What was published."""

    away: bool = False
    events: list[CallsCounted] = field(default_factory=list)

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        assert SUBJECT == subject
        if self.away:
            raise Unavailable("The message broker is away.")
        self.events.append(CallsCounted.FromString(payload))

    def last(self) -> dict[tuple[str, int], int]:
        return {(one.organization_id, one.day): one.calls for one in self.events[-1].days}


class Clock:
    now = 10.0 * _DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> CallMeter:
    return CallMeter(clock)


async def test_totals_are_told_when_they_change(meter: CallMeter) -> None:
    """The whole total, not what came since; nothing while nothing changes."""
    wire = Wire()
    for organization in ("a", "b", "a"):
        meter.count(organization)
    await meter.tell(wire.publish)
    assert {("a", 10): 2, ("b", 10): 1} == wire.last()
    await meter.tell(wire.publish)
    meter.count("a")
    await meter.tell(wire.publish)
    assert (2, {("a", 10): 3}) == (len(wire.events), wire.last())
    assert {meter.gateway_id} == {event.gateway_id for event in wire.events}


async def test_what_could_not_be_told_is_told_later(meter: CallMeter) -> None:
    """While the broker is away calls are kept."""
    wire = Wire(away=True)
    meter.count("a")
    with pytest.raises(Unavailable):
        await meter.tell(wire.publish)
    wire.away = False
    meter.count("a")
    await meter.tell(wire.publish)
    assert {("a", 10): 2} == wire.last()


async def test_calls_while_telling_are_told_next(meter: CallMeter) -> None:
    """A call that comes while the broker confirms is not taken for told."""
    wire = Wire()

    async def publish(subject: str, payload: bytes, message_id: str) -> None:
        if not wire.events:
            meter.count("a")
        await wire.publish(subject, payload, message_id)

    meter.count("a")
    await meter.tell(publish)
    assert {("a", 10): 1} == wire.last()
    await meter.tell(publish)
    assert {("a", 10): 2} == wire.last()


async def test_days_are_apart_and_old_ones_go(meter: CallMeter, clock: Clock) -> None:
    """Each day has a total of its own; days that were told are forgotten after some, others never."""
    meter.count("a")
    await meter.tell(Wire().publish)
    meter.count("late")
    clock.now += _DAY
    meter.count("a")
    assert (1, 2) == (meter.total("a", 11, 11), meter.total("a", 10, 40))
    clock.now += 3 * _DAY
    wire = Wire()
    await meter.tell(wire.publish)
    assert {("late", 10): 1, ("a", 11): 1} == wire.last()
    assert 0 == meter.total("a", 0, 40)
