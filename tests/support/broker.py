"""Workers for tests on the real broker: a kind of task that no other test has, and what becomes of its tasks."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mesh.bus import Bus
from mesh.streams import LANES, work_subject
from mesh.worker import Worker, WorkerSpec

Handle = Callable[[bytes], Awaitable[None]]


async def eventually(happens: Callable[[], Awaitable[bool]], within: float = 30.0) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(within):
        while not await happens():  # noqa: ASYNC110  # what is waited for happens elsewhere
            await asyncio.sleep(0.02)


@dataclass
class Tasks:
    """Tasks of one kind, and the order in which things happened to them."""

    bus: Bus
    kind: str = field(default_factory=lambda: f"test{uuid.uuid4().hex[:12]}")
    handled: list[bytes] = field(default_factory=list)
    given_up: list[tuple[bytes, int]] = field(default_factory=list)

    async def put(self, *payloads: bytes, lane: str = "normal") -> None:
        """Publishes tasks."""
        for payload in payloads:
            await self.bus.publish(work_subject(self.kind, lane), payload, f"{self.kind}-{lane}-{payload.decode()}")

    def worker(self, handle: Handle | None = None, slots: int = 1, prefetch: int = 1, bus: Bus | None = None) -> Worker:
        """A worker that notes what it handled, and does `handle` with it before."""

        async def work(payload: bytes) -> None:
            if handle:
                await handle(payload)
            self.handled.append(payload)

        async def give_up(payload: bytes, deliveries: int) -> None:
            self.given_up.append((payload, deliveries))

        return Worker(bus or self.bus, WorkerSpec(self.kind, work, give_up, slots, prefetch))

    async def left(self) -> int:
        """How many are in the stream: those that nobody has acknowledged."""
        info = await self.bus.jetstream.stream_info("WORK", subjects_filter=f"work.{self.kind}.>")
        return sum((info.state.subjects or {}).values())

    async def all_done(self) -> bool:
        """Whether none is left."""
        return await self.left() == 0

    async def waiting(self) -> int:
        """How many were delivered and not acknowledged."""
        infos = [await self.bus.jetstream.consumer_info("WORK", f"{self.kind}-{lane}") for lane in LANES]
        return sum(info.num_ack_pending or 0 for info in infos)
