"""A worker: takes tasks of one kind, higher lanes first, and never loses one.

- A message is acknowledged when its handler has returned, and is kept alive by heartbeats until then.
- A task that nobody wants any more (`Dropped`) is acknowledged as it is.
- A task that is not due yet (`Later`) is handed back for that long; a handler asks for it once or twice a task, since
  each time counts as a delivery.
- A dependency that is away (`Unavailable`) is waited for with the task in hand; that counts as no failure.
- Zero-log tasks come on a stream of their own, and go before others of their lane: they have less time.
- Any other error hands the task back with growing pauses; after `MAX_DELIVERIES`, whatever ended them, it is given up:
  a copy without secrets goes to `DEAD`, unless it is zero-log, and `give_up` reports the failure, so that nothing
  waits for it for ever.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opentelemetry.trace import SpanKind

from mesh import context, dead, telemetry
from mesh.bus import MESSAGE_ID, Bus
from mesh.cancellations import Dropped
from mesh.errors import Unavailable
from mesh.pull import ACK_WAIT_SECONDS, PullConsumer
from mesh.streams import LANES, WORK_EPHEMERAL, ephemeral_work_subject, work_subject

log = logging.getLogger(__name__)

MAX_DELIVERIES = 8
_HAND_BACK_SECONDS = (1.0, 5.0, 15.0, 60.0)

Handler = Callable[[bytes], Awaitable[None]]
GiveUp = Callable[[bytes, int], Awaitable[None]]


class Later(Exception):
    """The task is to be done in so many seconds, by whoever has it then."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker does."""

    kind: str
    handle: Handler
    """Does the task and publishes its facts; called again with the same bytes after a crash.

    May raise Dropped, Later.
    """
    give_up: GiveUp
    """Reports that the task, delivered so many times, cannot be done."""
    slots: int
    """Tasks at a time."""
    prefetch: int = 1
    """Tasks of each lane that wait here for a slot."""


class Worker:
    """Runs a WorkerSpec until stopped."""

    def __init__(self, bus: Bus, spec: WorkerSpec) -> None:
        self._bus = bus
        self._spec = spec
        self._waiting: asyncio.PriorityQueue[tuple[int, int, Msg]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._held: dict[int, Msg] = {}
        queues = [queue for lane in LANES for queue in _queues(spec.kind, lane)]
        self._consumers = [self._consumer(rank, *queue) for rank, queue in enumerate(queues)]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to take tasks."""
        for consumer in self._consumers:
            await consumer.start()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._spec.slots)]
        self._tasks.append(asyncio.create_task(self._keep_alive()))

    async def stop(self, within: float) -> None:
        """Takes no more, gives tasks in hand `within` seconds to finish, then hands back what is left."""
        for consumer in self._consumers:
            await consumer.stop()
        while not self._waiting.empty():
            await self._hand_back(self._waiting.get_nowait()[2], 0)
        ends = time.monotonic() + within
        while self._held and time.monotonic() < ends:  # noqa: ASYNC110  # ends once in a process's life
            await asyncio.sleep(0.05)
        left = list(self._held.values())
        # What waits for the broker with a time limit may swallow a cancellation.
        while unfinished := [task for task in self._tasks if not task.done()]:
            for task in unfinished:
                task.cancel()
            await asyncio.wait(unfinished, timeout=1.0)
        for message in left:
            await self._hand_back(message, 0)

    async def check(self) -> None:
        """Raises Unavailable when the worker's own loops have died."""
        if any(task.done() for task in self._tasks):
            raise Unavailable("A worker loop has ended.", dependency=f"worker.{self._spec.kind}")

    def _consumer(self, rank: int, stream: str, durable: str, subject: str) -> PullConsumer:
        def deliver(message: Msg) -> None:
            self._held[id(message)] = message
            self._waiting.put_nowait((rank, next(self._numbers), message))

        return PullConsumer(self._bus, stream, durable, subject, self._spec.prefetch, deliver)

    async def _work(self) -> None:
        while True:
            rank, _, message = await self._waiting.get()
            self._consumers[rank].taken()
            try:
                await self._handle(message)
            finally:
                self._held.pop(id(message), None)

    async def _handle(self, message: Msg) -> None:
        headers = message.headers or {}
        context.request_id.set(context.accept_request_id(headers.get(context.REQUEST_ID_KEY)))
        context.traceparent.set(context.accept_traceparent(headers.get(context.TRACEPARENT_KEY)))
        deliveries = message.metadata.num_delivered
        started, outcome, pause = time.perf_counter(), "done", None
        try:
            with telemetry.span(f"work.{self._spec.kind}", SpanKind.CONSUMER):
                if deliveries > MAX_DELIVERIES:
                    outcome = "dead"
                    await self._bury(message, deliveries)
                else:
                    outcome, pause = await self._patiently(message)
            await (message.ack() if pause is None else self._hand_back(message, pause))
        except NatsError:
            outcome = "unacknowledged"  # the broker is away; it delivers again and the repeat changes nothing
        except Exception:
            outcome = "failed"
            log.exception("task failed", extra={"kind": self._spec.kind, "deliveries": deliveries})
            await self._hand_back(message, _HAND_BACK_SECONDS[min(deliveries, len(_HAND_BACK_SECONDS)) - 1])
        finally:
            telemetry.TASK_SECONDS.labels(self._spec.kind, outcome).observe(time.perf_counter() - started)

    async def _patiently(self, message: Msg) -> tuple[str, float | None]:
        """What came of it, and for how many seconds it is handed back; None: it is over."""
        pause = 0.2
        while True:
            try:
                await self._spec.handle(message.data)
            except Dropped:
                return "dropped", None
            except Later as later:
                return "later", later.seconds
            except Unavailable as error:
                log.warning("waiting for a dependency", extra={"kind": self._spec.kind, "error": error.message})
                await asyncio.sleep(pause)
                pause = min(10.0, pause * 2)
            else:
                return "done", None

    async def _bury(self, message: Msg, deliveries: int) -> None:
        telemetry.DEAD_LETTERS.labels(self._spec.kind).inc()
        log.error("task given up", extra={"kind": self._spec.kind, "deliveries": deliveries})
        message_id = (message.headers or {}).get(MESSAGE_ID, message.reply)
        if message.metadata.stream != WORK_EPHEMERAL:
            subject, kept = dead.copy(self._spec.kind, message.data)
            await self._bus.publish(subject, kept, f"dead.{message_id}")
        await self._spec.give_up(message.data, deliveries)

    async def _hand_back(self, message: Msg, seconds: float) -> None:
        self._held.pop(id(message), None)
        with suppress(NatsError):
            await message.nak(delay=seconds)

    async def _keep_alive(self) -> None:
        while True:
            telemetry.TASKS_IN_HAND.labels(self._spec.kind).set(len(self._held))
            await asyncio.sleep(ACK_WAIT_SECONDS / 3)
            for message in list(self._held.values()):
                with suppress(NatsError):
                    await message.in_progress()


def _queues(kind: str, lane: str) -> list[tuple[str, str, str]]:
    """Streams, durable consumers and subjects of a lane, in the order in which they are served."""
    durable = f"{kind}-{lane}"
    return [
        (WORK_EPHEMERAL, durable, ephemeral_work_subject(kind, lane, "*")),
        ("WORK", durable, work_subject(kind, lane)),
    ]
