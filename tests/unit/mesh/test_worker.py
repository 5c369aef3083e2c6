"""Workers on a real broker: order, acknowledgement, patience, giving up, and what breaks."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from nats.js.errors import NotFoundError

from mesh import context, pull, worker
from mesh.bus import Bus
from mesh.dead import about_job
from mesh.errors import Unavailable
from mesh.settings import MeshSettings
from mesh.streams import WORK_EPHEMERAL, ephemeral_work_subject, work_subject
from pagemesh.work.v1.work_pb2 import InspectTask, Source, Task
from tests.support.broker import Tasks, eventually
from tests.support.servers import NatsServer


@pytest.fixture
def tasks(bus: Bus) -> Tasks:
    """Tasks of a kind of their own."""
    return Tasks(bus)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are handed back at once, and a worker that says nothing for a second has lost its task."""
    monkeypatch.setattr(worker, "_HAND_BACK_SECONDS", (0.01, 0.01))
    for module in (worker, pull):
        monkeypatch.setattr(module, "ACK_WAIT_SECONDS", 1.0)


@dataclass
class Gate:
    """A handler that says when it has begun and ends when it may."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self, payload: bytes) -> None:
        self.begun.set()
        await self.may_end.wait()


def once(action: Callable[[], Awaitable[None]]) -> Callable[[bytes], Awaitable[None]]:
    """A handler that does the action the first time alone."""
    done: list[bytes] = []

    async def handle(payload: bytes) -> None:
        if not done:
            done.append(payload)
            await action()

    return handle


async def test_every_task_is_done_once(tasks: Tasks) -> None:
    """Tasks that waited and tasks that come, by two workers of some slots each, and then none is left."""
    await tasks.put(*(b"a%d" % number for number in range(50)))
    workers = [tasks.worker(slots=3, prefetch=4) for _ in range(2)]
    for one in workers:
        await one.start()
    await tasks.put(*(b"b%d" % number for number in range(50)))
    await eventually(tasks.all_done)
    for one in workers:
        await one.stop(1)
    expected = sorted(f"{batch}{number}".encode() for batch in "ab" for number in range(50))
    assert expected == sorted(tasks.handled)


async def test_higher_lanes_come_first(tasks: Tasks) -> None:
    """Whatever was put there before; at most the one in hand and what was fetched with it goes ahead."""
    for lane in ("low", "normal", "high"):
        await tasks.put(*(f"{lane}{number}".encode() for number in range(5)), lane=lane)
    gate = Gate()
    one = tasks.worker(gate.pass_through, prefetch=5)
    await one.start()
    await gate.begun.wait()

    async def all_fetched() -> bool:
        return await tasks.waiting() >= 15

    await eventually(all_fetched)
    gate.may_end.set()
    await eventually(tasks.all_done)
    await one.stop(1)
    lanes = [payload.decode().rstrip("0123456789") for payload in tasks.handled[1:]]
    assert sorted(lanes, key=["high", "normal", "low"].index) == lanes


async def test_a_task_is_acknowledged_after_its_handler(tasks: Tasks) -> None:
    """While it runs the broker keeps the task."""
    gate = Gate()
    one = tasks.worker(gate.pass_through)
    await one.start()
    await tasks.put(b"task")
    await gate.begun.wait()
    assert 1 == await tasks.left()
    gate.may_end.set()
    await eventually(tasks.all_done)
    await one.stop(1)


async def test_a_dependency_that_is_away_is_waited_for(tasks: Tasks) -> None:
    """With the task in hand: it is delivered once, and counts as no failure."""
    tries: list[bytes] = []

    async def handle(payload: bytes) -> None:
        tries.append(payload)
        if len(tries) < 3:
            raise Unavailable("away")

    one = tasks.worker(handle)
    await one.start()
    await tasks.put(b"task")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert ([b"task"] * 3, [b"task"], []) == (tries, tasks.handled, tasks.given_up)


async def test_a_task_that_is_not_due_is_handed_back(tasks: Tasks) -> None:
    """Others are done meanwhile, and it comes again when it is due, without having failed."""
    due: list[bytes] = []

    async def handle(payload: bytes) -> None:
        if payload == b"early" and not due:
            due.append(payload)
            raise worker.Later(0.3)

    one = tasks.worker(handle)
    await one.start()
    await tasks.put(b"early", b"other")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert ([b"early"], [b"other", b"early"], []) == (due, tasks.handled, tasks.given_up)


@pytest.mark.usefixtures("_impatient")
async def test_a_task_that_keeps_failing_is_given_up(tasks: Tasks) -> None:
    """After MAX_DELIVERIES tries a copy is among the dead, `give_up` was told, and other tasks were done."""
    tries: list[bytes] = []

    async def handle(payload: bytes) -> None:
        if payload == b"bad":
            tries.append(payload)
            raise ValueError

    one = tasks.worker(handle)
    await one.start()
    await tasks.put(b"bad", b"good")
    await eventually(tasks.all_done)
    await one.stop(1)
    dead = await tasks.bus.jetstream.get_last_msg("DEAD", f"dead.{tasks.kind}")
    assert [b"bad"] * worker.MAX_DELIVERIES == tries
    assert ([b"good"], [(b"bad", worker.MAX_DELIVERIES + 1)]) == (tasks.handled, tasks.given_up)
    assert (b"bad", f"dead.{tasks.kind}-normal-bad") == (dead.data, (dead.headers or {})["Nats-Msg-Id"])


@pytest.mark.usefixtures("_impatient")
async def test_no_password_lies_among_the_dead(tasks: Tasks) -> None:
    """The copy stands under the task's job, without what opens its document; purging the job erases it."""
    job_id = str(uuid.uuid4())
    task = Task(job_id=job_id, inspect=InspectTask(source=Source(storage_key="k", password="open sesame")))

    async def handle(payload: bytes) -> None:
        raise ValueError

    one = tasks.worker(handle)
    await one.start()
    await tasks.bus.publish(work_subject(tasks.kind, "normal"), task.SerializeToString(), job_id)
    await eventually(tasks.all_done)
    await one.stop(1)
    copy = await tasks.bus.jetstream.get_last_msg("DEAD", f"dead.{tasks.kind}.{job_id}")
    task.inspect.source.password = ""
    assert task == Task.FromString(copy.data or b"")
    await tasks.bus.purge("DEAD", about_job(job_id))
    with pytest.raises(NotFoundError):
        await tasks.bus.jetstream.get_last_msg("DEAD", f"dead.{tasks.kind}.{job_id}")


@pytest.mark.usefixtures("_impatient")
async def test_no_copy_is_made_of_a_zero_log_task(tasks: Tasks) -> None:
    """It is given up like others, and goes before those of its lane."""

    async def handle(payload: bytes) -> None:
        if payload == b"private":
            raise ValueError

    await tasks.put(b"ordinary")
    await tasks.bus.publish(ephemeral_work_subject(tasks.kind, "normal", "job"), b"private", uuid.uuid4().hex)
    one = tasks.worker(handle)
    await one.start()

    async def given_up() -> bool:
        return bool(tasks.given_up) and await tasks.bus.depth(WORK_EPHEMERAL) == 0

    await eventually(given_up)
    await one.stop(1)
    assert ([b"ordinary"], [(b"private", worker.MAX_DELIVERIES + 1)]) == (tasks.handled, tasks.given_up)
    with pytest.raises(NotFoundError):
        await tasks.bus.jetstream.get_last_msg("DEAD", f"dead.{tasks.kind}")


@pytest.mark.usefixtures("_impatient")
async def test_a_task_that_failed_once_is_done_again(tasks: Tasks) -> None:
    """By whichever worker."""

    async def fail() -> None:
        raise ValueError

    one = tasks.worker(once(fail))
    await one.start()
    await tasks.put(b"task")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert ([b"task"], []) == (tasks.handled, tasks.given_up)


@pytest.mark.usefixtures("_impatient")
async def test_a_long_task_is_kept_alive(tasks: Tasks) -> None:
    """Neither it nor the one that waits behind it is delivered to another worker, long after the broker's limit."""
    one, other = tasks.worker(lambda _: asyncio.sleep(2.5), prefetch=2), tasks.worker()
    await one.start()
    await tasks.put(b"long", b"behind")

    async def both_taken() -> bool:
        return await tasks.waiting() == 2

    await eventually(both_taken)
    await other.start()
    await eventually(tasks.all_done)
    for each in (one, other):
        await each.stop(1)
    assert [b"long", b"behind"] == tasks.handled


@pytest.mark.usefixtures("_impatient")
async def test_a_task_of_a_worker_that_died_goes_to_another(tasks: Tasks, settings: MeshSettings) -> None:
    """Without a word from the dead, after the broker's limit."""
    bus = await Bus.connect(settings)
    gate = Gate()
    dying, heir = tasks.worker(gate.pass_through, bus=bus), tasks.worker()
    await dying.start()
    await tasks.put(b"task")
    await gate.begun.wait()
    await bus.connection.close()  # as when its process was killed
    await heir.start()
    await eventually(tasks.all_done)
    await heir.stop(1)
    await dying.stop(0)
    assert [b"task"] == tasks.handled


async def test_stopping_hands_back_what_is_held(tasks: Tasks) -> None:
    """What waits and what does not finish in time: another worker gets both at once."""
    gate = Gate()
    one = tasks.worker(gate.pass_through, prefetch=3)
    await one.start()
    await tasks.put(b"in hand", b"waiting", b"too")

    async def all_held() -> bool:
        return await tasks.waiting() == 3

    await eventually(all_held)
    await gate.begun.wait()
    await one.stop(0.1)
    assert ([], 3) == (tasks.handled, await tasks.left())
    other = tasks.worker()
    await other.start()
    await eventually(tasks.all_done, within=10)  # less than the broker waits for a worker that is silent
    await other.stop(1)
    assert [b"in hand", b"too", b"waiting"] == sorted(tasks.handled)


async def test_stopping_lets_work_in_hand_finish(tasks: Tasks) -> None:
    """It is acknowledged as ever."""
    gate = Gate()
    one = tasks.worker(gate.pass_through)
    await one.start()
    await tasks.put(b"task")
    await gate.begun.wait()
    stopping = asyncio.create_task(one.stop(10))
    gate.may_end.set()
    await stopping
    assert ([b"task"], 0) == (tasks.handled, await tasks.left())


@pytest.mark.usefixtures("_impatient")
async def test_work_goes_on_after_a_restart_of_the_broker(tasks: Tasks, nats_server: NatsServer) -> None:
    """The task in hand, those that waited, and those that come afterwards."""
    gate = Gate()
    one = tasks.worker(gate.pass_through, prefetch=2)
    await one.start()
    await tasks.put(b"1", b"2", b"3", b"4", b"5")
    await gate.begun.wait()
    nats_server.kill()
    nats_server.start()
    gate.may_end.set()
    await tasks.put(b"6")
    await eventually(tasks.all_done, within=60)
    await one.stop(1)
    assert {b"1", b"2", b"3", b"4", b"5", b"6"} == set(tasks.handled)


async def test_work_goes_on_after_the_store_was_wiped(tasks: Tasks, nats_server: NatsServer) -> None:
    """Streams and consumers come back by themselves; new tasks are done."""
    one = tasks.worker(slots=2)
    await one.start()
    await tasks.put(b"before")
    await eventually(tasks.all_done)
    nats_server.wipe()
    await tasks.put(b"after")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert [b"before", b"after"] == tasks.handled


async def test_work_goes_on_after_its_consumer_was_deleted(tasks: Tasks) -> None:
    """An operator's mistake costs a moment."""
    one = tasks.worker()
    await one.start()
    await tasks.put(b"before")
    await eventually(tasks.all_done)
    await tasks.bus.jetstream.delete_consumer("WORK", f"{tasks.kind}-normal")
    await tasks.put(b"after")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert [b"before", b"after"] == tasks.handled


async def test_a_slow_worker_leaves_the_rest_to_others(tasks: Tasks) -> None:
    """It holds what its slots and its window allow and no more."""
    gate = Gate()
    slow, quick = tasks.worker(gate.pass_through, prefetch=2), tasks.worker(slots=4)
    await slow.start()
    await tasks.put(*(b"%d" % number for number in range(20)))
    await gate.begun.wait()
    await quick.start()

    async def rest_done() -> bool:
        return len(tasks.handled) == 17

    await eventually(rest_done)
    assert 3 == await tasks.left()
    gate.may_end.set()
    await eventually(tasks.all_done)
    for each in (slow, quick):
        await each.stop(1)


async def test_a_handler_works_in_the_request_of_its_task(tasks: Tasks) -> None:
    """Request id and trace of who put the task there; a task without them gets new ones."""
    seen: list[tuple[str, str]] = []

    async def handle(payload: bytes) -> None:
        seen.append((context.request_id.get(), context.traceparent.get()))

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    one = tasks.worker(handle)
    await one.start()
    context.request_id.set("the-request")
    context.traceparent.set(trace)
    await tasks.put(b"first")
    context.request_id.set("")
    context.traceparent.set("")
    await tasks.put(b"second")
    await eventually(tasks.all_done)
    await one.stop(1)
    assert ("the-request", trace) == seen[0]
    assert (True, True) == (len(seen[1][0]) == 32, seen[1][1] not in ("", trace))


async def test_a_worker_that_is_well_says_so(tasks: Tasks) -> None:
    """And one whose loops have ended does not."""
    one = tasks.worker()
    await one.start()
    await one.check()
    await one.stop(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await one.check()


async def test_stopping_ends_loops_that_swallow_a_cancellation(tasks: Tasks) -> None:
    """As `asyncio.wait_for` does where what it waits for ends at that moment."""
    begun = asyncio.Event()

    async def handle(payload: bytes) -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    one = tasks.worker(handle)
    await one.start()
    await tasks.put(b"a")
    await begun.wait()
    await asyncio.wait_for(one.stop(0), 10)
