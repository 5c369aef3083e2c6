"""The feed: newest wins, trust ends, misses are asked for once."""

import asyncio
import uuid

import pytest

from mesh.errors import NotFound
from mesh.streams import STATUS_NUMBER
from pagemesh.results.v1 import job_pb2
from services.gateway import feed as feeds
from services.gateway.feed import Feed, Status

ORGANIZATION = str(uuid.uuid4())


class Record:
    """A record to ask."""

    def __init__(self) -> None:
        self.jobs: dict[str, job_pb2.Job] = {}
        self.asked = 0
        self.connected = True
        self.slow = asyncio.Event()
        self.slow.set()

    async def ask(self, job_id: str) -> job_pb2.Job:
        self.asked += 1
        found = self.jobs.get(job_id)
        await self.slow.wait()
        if found is None:
            raise NotFound("no")
        return found


class Watcher:
    """Somebody who is told of jobs."""

    def __init__(self) -> None:
        self.missed_something = False

    def told(self, job: job_pb2.Job) -> None:
        """Of no interest."""

    def gone(self, key: tuple[str, str]) -> None:
        """Of no interest."""

    def missed(self) -> None:
        self.missed_something = True


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("services.gateway.feed.time.monotonic", lambda: now[0])
    return now


def _feed(record: Record, capacity: int = 10) -> Feed:
    return Feed(record.ask, lambda job: Status(b"%d" % job.revision, "", [], []), lambda: record.connected, capacity)


def _job(
    revision: int, state: "job_pb2.JobState.ValueType" = job_pb2.JOB_STATE_RUNNING, job_id: str = "j"
) -> job_pb2.Job:
    return job_pb2.Job(id=job_id, organization_id=ORGANIZATION, document_id="d", state=state, revision=revision)


def _key(job_id: str = "j") -> tuple[str, str]:
    return ORGANIZATION, job_id


def test_newest_wins(record: Record) -> None:
    """Late and repeated messages replace nothing newer."""
    feed = _feed(record)
    for revision in (2, 3, 1, 3):
        feed.offer(_job(revision))
    entry = feed.warm(_key())
    assert entry is not None
    assert 3 == entry.job.revision


@pytest.mark.parametrize(("state", "trusted"), [(job_pb2.JOB_STATE_RUNNING, 2.0), (job_pb2.JOB_STATE_COMPLETED, 60.0)])
def test_trust_ends(record: Record, clock: list[float], state: "job_pb2.JobState.ValueType", trusted: float) -> None:
    """An unfinished job is trusted for 2 s, a finished one for 60."""
    feed = _feed(record)
    feed.offer(_job(1, state))
    clock[0] += trusted - 0.1
    assert feed.warm(_key()) is not None
    clock[0] += 0.2
    assert feed.warm(_key()) is None


def _told(feed: Feed, job: job_pb2.Job, number: int) -> None:
    feed.on_message(f"status.{ORGANIZATION}.{job.id}", job.SerializeToString(), {STATUS_NUMBER: f"results:{number}"})


def test_trusted_while_nothing_can_be_missed(record: Record, clock: list[float]) -> None:
    """While its teller goes on, an unfinished job is trusted for 5 minutes, and no longer after a gap or a silence."""
    feed = _feed(record)
    pulse = {STATUS_NUMBER: "results:1"}
    feed.on_message("status.pulse.results", b"", {STATUS_NUMBER: "results:0"})
    clock[0] += 0.5
    _told(feed, _job(1), 1)
    for _ in range(299):
        clock[0] += 1
        feed.on_message("status.pulse.results", b"", pulse)
        assert feed.warm(_key()) is not None
    clock[0] += 1.5
    feed.on_message("status.pulse.results", b"", pulse)
    assert feed.warm(_key()) is None


@pytest.mark.parametrize("how", ["gap", "silence", "reconnection"])
async def test_trust_broken(record: Record, clock: list[float], how: str) -> None:
    """When something may have been missed, what was told before is trusted for 2 s only, and whoever waits looks."""
    feed = _feed(record)
    watcher = Watcher()
    feed.watch(watcher)
    clock[0] += 1
    _told(feed, _job(1), 1)
    clock[0] += 2.5
    assert feed.warm(_key()) is not None
    if how == "gap":
        _told(feed, _job(1, job_id="other"), 3)
    elif how == "silence":
        clock[0] += 4
        feed.look()
    else:
        await feed.forget_unfinished()
    assert feed.warm(_key()) is None
    assert watcher.missed_something


def test_disconnected(record: Record) -> None:
    """While the feed is down, neither unfinished jobs are warm nor failed ones, which may be tried again."""
    feed = _feed(record)
    feed.offer(_job(1))
    feed.offer(_job(1, job_pb2.JOB_STATE_FAILED, "failed"))
    feed.offer(_job(1, job_pb2.JOB_STATE_CANCELLED, "ended"))
    record.connected = False
    assert [None, None] == [feed.warm(_key(name)) for name in ("job", "failed")]
    assert feed.warm(_key("ended")) is not None


async def test_reconnected(record: Record) -> None:
    """What was unfinished before the feed went down is asked for again."""
    feed = _feed(record)
    feed.offer(_job(1))
    record.jobs["j"] = _job(5)
    await feed.forget_unfinished()
    assert 5 == (await feed.get(_key())).job.revision


async def test_asked_once(record: Record) -> None:
    """All who miss a job at the same time share one question, and all get its failure."""
    feed = _feed(record)
    record.jobs["j"] = _job(1)
    entries = await asyncio.gather(*(feed.get(_key()) for _ in range(20)))
    assert ([1] * 20, 1) == ([entry.job.revision for entry in entries], record.asked)
    failures = await asyncio.gather(*(feed.get(_key("none")) for _ in range(20)), return_exceptions=True)
    assert ([NotFound] * 20, 2) == ([type(failure) for failure in failures], record.asked)


async def test_one_leaves(record: Record) -> None:
    """A client that goes away while asking takes nobody along."""
    feed = _feed(record)
    record.jobs["j"] = _job(1)
    record.slow.clear()
    first, second = asyncio.create_task(feed.get(_key())), asyncio.create_task(feed.get(_key()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    record.slow.set()
    assert 1 == (await second).job.revision


async def test_gone_while_asking(record: Record) -> None:
    """An answer that was under way when its job went is not kept."""
    feed = _feed(record)
    record.jobs["j"] = _job(1, job_pb2.JOB_STATE_COMPLETED)
    record.slow.clear()
    asking = asyncio.create_task(feed.get(_key()))
    await asyncio.sleep(0)
    feed.on_message(f"status.{ORGANIZATION}.j", b"")
    record.slow.set()
    await asking
    assert feed.warm(_key()) is None


def test_bounded(record: Record) -> None:
    """The least recently used goes first."""
    feed = _feed(record, capacity=2)
    feed.offer(_job(1, job_id="a"))
    feed.offer(_job(1, job_id="b"))
    assert feed.warm(_key("a")) is not None
    feed.offer(_job(1, job_id="c"))
    assert [True, False, True] == [feed.warm(_key(name)) is not None for name in "abc"]


async def test_lost_message(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a change learns of it even when the message is lost."""
    monkeypatch.setattr(feeds, "UNFINISHED_SECONDS", 0.05)
    feed = _feed(record)
    entry = feed.offer(_job(1))
    record.jobs["j"] = _job(2, job_pb2.JOB_STATE_COMPLETED)
    assert 2 == (await feed.changed(_key(), entry, 30)).job.revision


async def test_close_lets_go(record: Record) -> None:
    """When the gateway stops, nobody is held."""
    feed = _feed(record)
    record.jobs["j"] = _job(1)
    waiting = asyncio.create_task(feed.changed(_key(), feed.offer(_job(1)), 60))
    await asyncio.sleep(0)
    feed.close()
    assert 1 == (await asyncio.wait_for(waiting, 5)).job.revision
