"""When documents are read as they arrive, and when they are left to their tasks."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.blobs import Blobs
from mesh.sandbox import Limits, Sandbox
from mesh.seal import ARRIVAL_SEAL, Sealer
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.results_pb2 import Arrival
from pagemesh.work.v1.sandbox_pb2 import ReadRequest
from services.ingest import arrival
from services.ingest.arrival import Arrivals
from services.ingest.sniff import PDF, PLAIN_TEXT
from services.ingest.upload import Stored
from services.ingest.worker import Reader
from tests.support import documents
from tests.support.broker import eventually


class Desk:
    """Arrivals with one child, which is kept busy by a file that is a pipe until somebody writes to it."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self._sandbox = sandbox
        self._blobs = Blobs(f"file://{directory}/blobs")
        sealer = Sealer("a secret that two services share", ARRIVAL_SEAL)
        self._arrivals = Arrivals(Reader(sandbox, self._blobs), sandbox, self._blobs, sealer, 1 << 20)
        self._pipe = directory / "pipe"
        os.mkfifo(self._pipe)

    async def arrive(self) -> Arrival | None:
        """A PDF that was stored."""
        content = documents.text_pdf()
        await self._blobs.put("a.pdf", content)
        return await self._arrivals.read("pages", Stored("a.pdf", PDF, len(content), ""), JobConfig())

    async def keep_busy(self) -> "asyncio.Task[None]":
        """Ends when the child is let go."""
        working = asyncio.create_task(self._read_pipe())
        await self.until_turns(1)
        return working

    async def let_go(self, working: "asyncio.Task[None]") -> None:
        """The child gets what it waits for."""
        await asyncio.to_thread(self._pipe.write_text, "text")
        await working

    async def until_turns(self, expected: float) -> None:
        """Returns when the queue is that long."""

        async def reached() -> bool:
            return self._sandbox.turns == expected

        await eventually(reached)

    async def _read_pipe(self) -> None:
        request = ReadRequest(path=str(self._pipe), mime_type=PLAIN_TEXT, inspect=True)
        async for _ in self._sandbox.run(request.SerializeToString()):
            continue


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """With a child of its own."""
    sandbox = Sandbox("test", "services.ingest.child:handle", 1, Limits(memory_bytes=512 << 20))
    await sandbox.start()
    yield Desk(sandbox, tmp_path)
    await sandbox.stop()


async def test_a_document_waits_for_its_turn(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what the child is reading, since the way by tasks would cost more."""
    monkeypatch.setattr(arrival, "TURN_SECONDS", 60)
    monkeypatch.setattr(arrival, "READ_SECONDS", 60)
    working = await desk.keep_busy()
    waiting = asyncio.create_task(desk.arrive())
    await desk.until_turns(2)
    await desk.let_go(working)
    assert await waiting is not None


async def test_a_document_whose_turn_does_not_come_is_left_to_its_task(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it stays in the queue, or it would be read twice."""
    monkeypatch.setattr(arrival, "TURN_SECONDS", 0.05)
    working = await desk.keep_busy()
    assert await desk.arrive() is None
    await desk.until_turns(1)
    await desk.let_go(working)


async def test_a_long_queue_is_not_joined(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of higher lanes would wait behind it."""
    monkeypatch.setattr(arrival, "TURN_SECONDS", 60)
    monkeypatch.setattr(arrival, "READ_SECONDS", 60)
    monkeypatch.setattr(arrival, "MOST_TURNS", 0.5)
    working = await desk.keep_busy()
    assert await desk.arrive() is None
    await desk.let_go(working)
