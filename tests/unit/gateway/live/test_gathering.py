"""Gathering: everybody is told everything once, in order, of each job the newest, and ends in any case."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from services.gateway.live import gathering
from services.gateway.live.gathering import Batch, Gathering
from services.gateway.live.updates import Channel, Update


class _Listener:
    """Keeps what it is told, and takes some of it early when it is asked to."""

    def __init__(self) -> None:
        self.heard = 0
        self.messages: list[str] = []
        self.gathering: Gathering | None = None

    def tell(self, batch: Batch) -> None:
        self._take(batch.updates)

    def catch_up(self) -> None:
        assert self.gathering is not None
        self._take(self.gathering.after(self.heard))
        self.heard = self.gathering.last

    def _take(self, updates: Sequence[Update]) -> None:
        self.messages += [update.message for update in updates]


def _update(subject: str, message: str, final: bool = False, channel: Channel = Channel.JOBS) -> Update:
    return Update(channel, subject, final, message)


def _following(*listeners: _Listener) -> Gathering:
    gathered = Gathering(listeners)
    for listener in listeners:
        listener.gathering = gathered
    return gathered


async def test_gathered() -> None:
    """What comes within a moment is told together: the newest of each job, every end."""
    one, other = _Listener(), _Listener()
    gathered = _following(one, other)
    for update in (_update("a", "a1"), _update("b", "b1"), _update("a", "a2"), _update("b", "b2", final=True)):
        gathered.put(update)
    assert [] == one.messages
    await asyncio.sleep(2 * gathering.PACE_SECONDS)
    assert [["a2", "b2"]] * 2 == [one.messages, other.messages]


async def test_taken_early() -> None:
    """Whoever took something early is told neither that again nor anything out of order, and others are told all."""
    early, other = _Listener(), _Listener()
    gathered = _following(early, other)
    gathered.put(_update("a", "a1"))
    gathered.put(_update("b", "b1"))
    early.catch_up()
    gathered.put(_update("a", "a2"))
    gathered.flush()
    gathered.put(_update("b", "b2"))
    gathered.flush()
    assert (["a1", "b1", "a2", "b2"], ["b1", "a2", "b2"]) == (early.messages, other.messages)


async def test_full() -> None:
    """More than is gathered at once is told before its time, and nothing is dropped."""
    listener = _Listener()
    gathered = _following(listener)
    ends = [f"end of {number}" for number in range(2 * gathering._MOST)]
    for end in ends:
        gathered.put(_update(end, end, final=True))
    assert ends == listener.messages


@pytest.mark.parametrize(("readers", "seconds"), [(1, 0.1), (100, 0.1), (250, 0.25)])
async def test_pace(monkeypatch: pytest.MonkeyPatch, readers: int, seconds: float) -> None:
    """For many readers is gathered for longer."""
    loop, waited = asyncio.get_running_loop(), list[float]()

    def call_later(delay: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        waited.append(delay)
        return loop.call_at(loop.time() + delay, call)

    gathered = _following(*(_Listener() for _ in range(readers)))
    monkeypatch.setattr(loop, "call_later", call_later)
    gathered.put(_update("a", "a1"))
    gathered.put(_update("b", "b1"))
    gathered.close()
    assert [seconds] == waited


def test_frames() -> None:
    """Whoever wants the same gets the very same bytes: the frames of its channels."""
    job, document = _update("j", "job"), _update("d", "document", channel=Channel.DOCUMENTS)
    batch = Batch([job, document])
    assert job.frame + document.frame == batch.frames([Channel.JOBS, Channel.DOCUMENTS])
    assert batch.frames([Channel.DOCUMENTS, Channel.JOBS]) is batch.frames([Channel.JOBS, Channel.DOCUMENTS])
    assert (job.frame, document.frame) == (batch.frames([Channel.JOBS]), batch.frames([Channel.DOCUMENTS]))
