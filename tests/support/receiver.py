"""A receiver of webhooks on loopback that takes, refuses, hangs or breaks off as a test tells it."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

RESET = "reset"
HANG = "hang"
"""Nothing is answered until the receiver is told to `let_go`, or the other side gives up."""


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Hit:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """Which event it is."""
        return self.headers["webhook-id"]


Behaviour = Say | str


class Receiver:
    """Started by `receiving`; takes whatever no plan was made for."""

    def __init__(self) -> None:
        self.url = ""
        self.hits: list[Hit] = []
        self._plans: dict[str, list[Behaviour]] = defaultdict(list)
        self._released = asyncio.Event()
        self._changed = asyncio.Condition()

    def plan(self, path: str, *behaviours: Behaviour) -> str:
        """What to do with the next requests for the path; the URL that leads there."""
        self._plans[path] += behaviours
        return self.url + path

    def let_go(self) -> None:
        """Answers whoever hangs, with 204."""
        self._released.set()

    def of(self, path: str) -> Sequence[Hit]:
        """What came for the path."""
        return [hit for hit in self.hits if hit.path == path]

    async def got(self, path: str, count: int = 1, within: float = 30.0) -> Sequence[Hit]:
        """What came for the path, once so many have."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.of(path)) >= count)
        return self.of(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            hit = await _read(reader)
            self.hits.append(hit)
            async with self._changed:
                self._changed.notify_all()
            plan = self._plans[hit.path]
            await self._behave(plan.pop(0) if plan else Say(), reader, writer)
        writer.close()

    async def _behave(self, behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if behaviour == RESET:
            writer.transport.abort()
            return
        if behaviour == HANG:
            await _either(self._released.wait(), reader.read(1))
            behaviour = Say()
        assert isinstance(behaviour, Say)
        headers = {"content-length": str(len(behaviour.body)), **behaviour.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {behaviour.status} Whatever\r\n{lines}\r\n".encode() + behaviour.body)
        await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens inside the block."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        receiver.let_go()
        server.close()


async def _read(reader: asyncio.StreamReader) -> Hit:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Hit(first.split(" ")[1], headers, body)


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
