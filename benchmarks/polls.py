"""Polls per second of one path, by a client in a process of its own: `python -m benchmarks.polls` with JSON on stdin.

Each connection writes the same request bytes as soon as an answer is whole; nothing is parsed but status and length.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, cast

import uvloop

from benchmarks.wire import Address, answer_size, request_bytes


@dataclass(frozen=True, slots=True)
class PollSpec:
    """The path to poll and the headers, credentials among them, to send with it; `more` paths are polled in turn."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PollRate:
    """Polls answered 200, and `refused` ones (other status, lost connection), with the CPU that the client spent."""

    connections: int
    seconds: float
    answered: int
    refused: int
    client_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Successful polls per second."""
        return self.answered / self.seconds


class _Poller(asyncio.Protocol):
    """One connection that asks again at once after each answer."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.answered = 0
        self.refused = 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address, requests: Iterator[bytes]) -> Self:
        """Connect and begin to poll."""
        loop = asyncio.get_running_loop()
        _, poller = await loop.create_connection(lambda: cls(requests), address.host, address.port)
        return poller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        size = answer_size(data)
        if size is None or len(data) < size:
            self._rest = data
            return
        self._rest = b""
        if data[9:12] == b"200":
            self.answered += 1
        else:
            self.refused += 1
        if self._transport is not None:
            self._transport.write(next(self.requests))

    def connection_lost(self, exc: Exception | None) -> None:
        self.refused += 1

    def reset(self) -> None:
        """Forget what was counted so far."""
        self.answered = self.refused = 0

    def close(self) -> None:
        """Close the connection without waiting for an answer."""
        if self._transport is not None:
            self._transport.abort()


async def _poll(base_url: str, spec: PollSpec, connections: int, seconds: float) -> PollRate:
    address = Address.of(base_url)
    paths = (spec.path, *spec.more)
    requests = itertools.cycle([request_bytes("GET", path, address.authority, spec.headers) for path in paths])
    opened = [await _Poller.open(address, requests) for _ in range(connections)]
    await asyncio.sleep(min(0.5, seconds / 10))  # until all connections are busy
    for poller in opened:
        poller.reset()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    elapsed, spent = time.perf_counter() - started, time.process_time() - cpu
    answered, refused = sum(poller.answered for poller in opened), sum(poller.refused for poller in opened)
    for poller in opened:
        poller.close()
    return PollRate(connections, elapsed, answered, refused, spent)


async def polls_per_second(base_url: str, spec: PollSpec, connections: int = 32, seconds: float = 5.0) -> PollRate:
    """Poll `spec` from a child process over keep-alive connections. Raises RuntimeError when that process fails."""
    order = {"base_url": base_url, "spec": asdict(spec), "connections": connections, "seconds": seconds}
    # The order goes by standard input: headers may hold a token, and arguments are there for every user to see.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.polls", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        report, _ = await process.communicate(json.dumps(order).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the polling client ended with code {process.returncode}")
    return PollRate(**json.loads(report))


def main() -> None:
    """Read one order, poll, and print the rate as JSON."""
    order: dict[str, Any] = json.load(sys.stdin)
    spec = PollSpec(**order.pop("spec"))
    rate = uvloop.run(_poll(spec=spec, **order))
    json.dump(asdict(rate), sys.stdout)


if __name__ == "__main__":
    main()
