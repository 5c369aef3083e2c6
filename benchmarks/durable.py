"""What one durable write of each kind costs on this machine, and how many a document takes.

A document is accepted and read durably, so these costs are the floor under its latency.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import nats
import psycopg
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig

from cli.layout import Layout
from cli.nats import url as nats_url
from cli.postgres import Postgres

WRITES = 60
_CONTENT = os.urandom(2048)
_STREAM = "BENCHMARK"
_STREAMS = ("WORK", "FACTS", "EVENTS")


def nats_address(layout: Layout, port: int) -> str:
    """Where the stack's broker takes connections, its token included."""
    return nats_url(port, layout.secret("nats"))


def postgres_address(layout: Layout, database: str) -> str:
    """Connection string (libpq) of a database of the stack."""
    server = Postgres(layout.postgres, layout.sockets / "postgres")
    return f"host={server.sockets} user=pagemesh dbname={database}"


async def milliseconds(layout: Layout, nats_port: int) -> dict[str, list[float]]:
    """Times of durable writes of 2 KiB: a file with its folder, a publish to a stream, and a commit of one row."""
    times = {"file and folder fsync": await _timed(lambda: asyncio.to_thread(_write_file, layout.blobs / "benchmark"))}
    connection = await nats.connect(nats_address(layout, nats_port))
    try:
        stream = connection.jetstream()
        await stream.add_stream(StreamConfig(name=_STREAM, subjects=["benchmark"], storage=StorageType.FILE))
        times["JetStream publish"] = await _timed(lambda: _publish(stream))
        await stream.delete_stream(_STREAM)
    finally:
        await connection.close()
    times["PostgreSQL commit"] = await _commits(postgres_address(layout, "postgres"))
    return times


async def _timed(write: Callable[[], Awaitable[None]]) -> list[float]:
    taken = []
    for _ in range(WRITES):
        started = time.perf_counter()
        await write()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _write_file(path: Path) -> None:
    for target, content in ((path, _CONTENT), (path.parent, None)):
        handle = os.open(target, os.O_RDONLY if content is None else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if content is not None:
                os.write(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)


async def _publish(stream: JetStreamContext) -> None:
    await stream.publish("benchmark", _CONTENT)


async def _commits(address: str) -> list[float]:
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute("CREATE TABLE benchmark (content bytea)")

        async def insert() -> None:
            await connection.execute("INSERT INTO benchmark VALUES (%s)", (_CONTENT,))

        taken = await _timed(insert)
        await connection.execute("DROP TABLE benchmark")
        return taken


class WriteCount:
    """Counts what the broker and the database write durably between two moments."""

    def __init__(self, layout: Layout, nats_port: int) -> None:
        self._nats = nats_address(layout, nats_port)
        self._postgres = postgres_address(layout, "postgres")

    async def now(self) -> dict[str, float]:
        """Totals since the stack started."""
        return await self._messages() | await self._syncs()

    async def _messages(self) -> dict[str, float]:
        connection = await nats.connect(self._nats)
        try:
            stream = connection.jetstream()
            return {f"{name} messages": (await stream.stream_info(name)).state.last_seq for name in _STREAMS}
        finally:
            await connection.close()

    async def _syncs(self) -> dict[str, float]:
        # Each backend tells its own figures at most once a second.
        await asyncio.sleep(1.5)
        async with await psycopg.AsyncConnection.connect(self._postgres, autocommit=True) as connection:
            row: Any = await (
                await connection.execute("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'")
            ).fetchone()
            return {"PostgreSQL WAL syncs": float(row[0])}


def per_document(before: dict[str, float], after: dict[str, float], documents: int) -> dict[str, float]:
    """Writes a document, the stack's own housekeeping included."""
    return {name: round((after[name] - before[name]) / documents, 2) for name in before}


def floor_ms(times: dict[str, list[float]], publishes: int, commits: int) -> float:
    """Milliseconds of the writes that stand one behind another on a one-page document's way: the file, and so many."""
    file, publish, commit = (median(taken) for taken in times.values())
    return file + publishes * publish + commits * commit
