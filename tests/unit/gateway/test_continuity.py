"""Continuity: a gap or a silence is noticed, and nothing else is taken for one."""

import pytest

from services.gateway.continuity import SILENCE_SECONDS, Continuity


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("services.gateway.continuity.time.monotonic", lambda: now[0])
    return now


def _sound(continuity: Continuity) -> bool:
    return continuity.sound


def test_unbroken(clock: list[float]) -> None:
    """Tellers begin anywhere and are counted apart; as long as each goes on, all is well."""
    continuity = Continuity()
    assert not _sound(continuity)
    for teller, number in (("a", 7), ("b", 1), ("a", 8), ("b", 2)):
        assert continuity.heard(teller, number)
    assert continuity.counted("a", 8)
    assert _sound(continuity)
    assert 1_000.0 == continuity.broken_at


def test_gap(clock: list[float]) -> None:
    """What was left out is noticed at the next number, or at the next pulse; after that it goes on."""
    continuity = Continuity()
    continuity.heard("a", 1)
    clock[0] += 1
    assert not continuity.heard("a", 3)
    assert 1_001.0 == continuity.broken_at
    clock[0] += 1
    assert not continuity.counted("a", 4)
    assert 1_002.0 == continuity.broken_at
    assert continuity.heard("a", 5)


def test_silence(clock: list[float]) -> None:
    """A teller that falls silent breaks it, once; another's word does not hide that."""
    continuity = Continuity()
    continuity.counted("a", 1)
    clock[0] += SILENCE_SECONDS + 0.1
    continuity.counted("b", 1)
    assert not _sound(continuity)
    assert [False, True] == [continuity.look() for _ in range(2)]
    assert _sound(continuity)
    assert clock[0] == continuity.broken_at


def test_lost(clock: list[float]) -> None:
    """After the connection was lost nobody is known."""
    continuity = Continuity()
    continuity.counted("a", 1)
    clock[0] += 1
    continuity.lost()
    assert (False, clock[0]) == (_sound(continuity), continuity.broken_at)
    assert continuity.heard("a", 9)
