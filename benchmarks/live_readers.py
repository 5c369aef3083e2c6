"""WebSockets that are told of everything, in a process of their own: `python -m benchmarks.live_readers`.

They look at nothing of what they are told, and what that costs is measured, since they share the processors with what
they listen to. The order comes as a line of JSON on standard input, whose end ends them.
"""

import asyncio
import json
import select
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.wire import Address
from benchmarks.wire_live import text_frame, upgrade

_READY = b"ready\n"
_BUFFER_BYTES = 256 << 10
_SETTLE_SECONDS = 1.0
_START_SECONDS = 60.0
_SUBSCRIBE = json.dumps({"type": "subscribe", "channels": ["document_updates", "job_updates"]})


@dataclass(slots=True)
class Taken:
    """What all readers together were told since they were ready, and the processor time that it cost them."""

    reads: int = 0
    received_bytes: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LiveReaders:
    """How many there are, how many of them never read, and, when they are gone, what they took in."""

    count: int
    silent: int
    taken: Taken = field(default_factory=Taken)


@asynccontextmanager
async def live_readers(url: str, token: str, count: int, silent: int) -> AsyncIterator[LiveReaders]:
    """So many of the token's user while the block lasts. Raises RuntimeError when they fail, or are told nothing."""
    readers = LiveReaders(count, silent)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.live_readers",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        order = {"url": url, "token": token, "count": count, "silent": silent}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        if await asyncio.wait_for(process.stdout.readline(), _START_SECONDS) != _READY:
            raise RuntimeError("the readers could not be connected")
        yield readers
        report, _ = await process.communicate(b"")
        if process.returncode != 0:
            raise RuntimeError(f"the readers ended with code {process.returncode}")
        for name, value in json.loads(report).items():
            setattr(readers.taken, name, value)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not readers.taken.received_bytes:
        raise RuntimeError("the readers were told nothing")


def main() -> None:
    """Connects, reads until standard input ends, and prints what was taken as JSON."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    opened = _subscribed(order["url"], order["token"], order["count"])
    listening = {one.fileno(): one for one in opened[order["silent"] :]}
    poll = select.epoll()
    for descriptor in (sys.stdin.fileno(), *listening):
        poll.register(descriptor, select.EPOLLIN)
    buffer = bytearray(_BUFFER_BYTES)
    _read(poll, listening, buffer, Taken())  # what came before all were ready
    sys.stdout.buffer.write(_READY)
    sys.stdout.flush()
    taken, spent = Taken(), time.process_time()
    while _read(poll, listening, buffer, taken, None):
        pass
    taken.cpu_seconds = time.process_time() - spent
    json.dump(asdict(taken), sys.stdout)


def _subscribed(url: str, token: str, count: int) -> list[socket.socket]:
    address = Address.of(url)
    opened = [socket.create_connection((address.host, address.port)) for _ in range(count)]
    for message in (upgrade(url, token), text_frame(_SUBSCRIBE)):
        for one in opened:
            one.sendall(message)
        time.sleep(_SETTLE_SECONDS)  # what comes together with the handshake is lost
    return opened


def _read(
    poll: select.epoll,
    listening: dict[int, socket.socket],
    buffer: bytearray,
    taken: Taken,
    wait_seconds: float | None = 0,
) -> bool:
    """Takes what is there; False when the end was asked for. Raises RuntimeError when a connection is closed."""
    for descriptor, _ in poll.poll(wait_seconds):
        if descriptor not in listening:
            return False
        size = listening[descriptor].recv_into(buffer)
        if not size:
            raise RuntimeError(f"a reader's connection was closed; the last of it: {bytes(buffer[:200])!r}")
        taken.reads += 1
        taken.received_bytes += size
    return True


if __name__ == "__main__":
    main()
