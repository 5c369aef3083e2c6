"""The outbox: newest progress alone, every end, and never more than it may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.live.outbox import Outbox, TooSlow
from services.gateway.live.updates import Channel, Update


def _update(subject: str, message: str, final: bool = False, channel: Channel = Channel.JOBS) -> Update:
    return Update(channel, subject, final, message)


def _all(outbox: Outbox) -> list[Update]:
    return outbox.take(len(outbox))


def _messages(outbox: Outbox) -> list[str]:
    return [update.message for update in _all(outbox)]


def test_newest_of_each() -> None:
    """Of a job's progress only the newest waits; jobs and documents do not replace one another."""
    outbox = Outbox(capacity=10)
    outbox.put(_update("a", "a1"))
    outbox.put(_update("b", "b1"))
    outbox.put(_update("a", "document", channel=Channel.DOCUMENTS))
    outbox.put(_update("a", "a2"))
    assert ["b1", "document", "a2"] == _messages(outbox)
    assert [] == _messages(outbox)


def test_ends_stay() -> None:
    """An end takes its progress's place, and what comes after it, since the job was tried again, does not take its."""
    outbox = Outbox(capacity=10)
    outbox.put(_update("a", "running"))
    outbox.put(_update("a", "failed", final=True))
    outbox.put(_update("a", "again"))
    outbox.put(_update("a", "completed", final=True))
    assert ["failed", "completed"] == _messages(outbox)


def test_full_of_progress() -> None:
    """Progress that finds the outbox full is dropped; an end of the same job is not."""
    outbox = Outbox(capacity=2)
    for subject in "abc":
        outbox.put(_update(subject, subject))
    outbox.put(_update("c", "end", final=True))
    assert ["a", "b", "end"] == _messages(outbox)


def test_too_many_ends() -> None:
    """Rather than drop an end it gives the reader up."""
    outbox = Outbox(capacity=2)
    for subject in "ab":
        outbox.put(_update(subject, subject, final=True))
    with pytest.raises(TooSlow):
        outbox.put(_update("c", "c", final=True))


def test_left_channel() -> None:
    """What waits of a channel goes with it, and makes room."""
    outbox = Outbox(capacity=1)
    outbox.put(_update("a", "job"))
    outbox.put(_update("a", "document", channel=Channel.DOCUMENTS, final=True))
    outbox.drop(Channel.JOBS)
    outbox.put(_update("b", "other job"))
    assert ["document", "other job"] == _messages(outbox)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=200))
def test_any_sequence(steps: list[tuple[int, bool, bool]]) -> None:
    """Whatever comes, no end is lost, and no more waits than twice the capacity."""
    outbox, capacity = Outbox(capacity=4), 4
    expected: list[str] = []
    taken: list[Update] = []
    for number, (job, final, read) in enumerate(steps):
        if read:
            taken += outbox.take(1)
        try:
            outbox.put(_update(str(job), str(number), final))
        except TooSlow:
            taken += _all(outbox)
            outbox.put(_update(str(job), str(number), final))
        expected += [str(number)] if final else []
        assert len(outbox) <= 2 * capacity
    taken += _all(outbox)
    assert expected == [update.message for update in taken if update.final]
