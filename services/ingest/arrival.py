"""Reading small documents as they arrive, while somebody waits for the answer to their upload.

A task through the broker costs a small document more than being read does. Where a child is free, or soon will be, it
is read at once, and what was found goes to the record together with the submission; see docs/adr/0021. Whatever does
not work out in time leaves the document to the tasks, which read every other one.

A queue is waited for too: the way by tasks would cost more processor time just when there is none to spare. What no
child has begun in time is not begun at all, and what one has begun is waited for: a busy machine does nothing twice.
"""

import asyncio
import logging
import time

from mesh.blobs import Blobs
from mesh.errors import PagemeshError
from mesh.memory_blobs import is_ephemeral
from mesh.sandbox import Sandbox, SandboxError
from mesh.seal import Sealer
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.results.v1.results_pb2 import Arrival
from pagemesh.work.v1.work_pb2 import Source
from services.ingest.upload import Stored
from services.ingest.worker import FACT_BYTES, Reader

log = logging.getLogger(__name__)

TURN_SECONDS = 0.25
"""How long a document may wait for its child."""
READ_SECONDS = 1.0
"""How long an upload is kept waiting in all; most documents take milliseconds of it."""
MOST_TURNS = 16.0


class Arrivals:
    """Reads what arrives, if it is small and its turn comes soon."""

    def __init__(self, reader: Reader, sandbox: Sandbox, blobs: Blobs, sealer: Sealer, max_bytes: int) -> None:
        self._reader = reader
        self._sandbox = sandbox
        self._blobs = blobs
        self._sealer = sealer
        self._max_bytes = max_bytes
        self._reading: set[asyncio.Task[DocumentInspected | Failure]] = set()

    async def read(self, folder: str, stored: Stored, config: JobConfig) -> Arrival | None:
        """What the document holds, sealed; None when it is left to the tasks. Large pages go to the folder.

        Raises nothing.
        """
        is_near = self._blobs.is_local or is_ephemeral(stored.key)
        if stored.size > self._max_bytes or not is_near or self._sandbox.turns > MOST_TURNS:
            return None
        began = time.perf_counter()
        source = Source(storage_key=stored.key, mime_type=stored.mime_type, password=config.password)
        reading = asyncio.create_task(self._reader.look(source, config.mode, folder, turn_seconds=TURN_SECONDS))
        self._reading.add(reading)
        reading.add_done_callback(self._done)
        # One that takes longer is not cancelled, which would cost a child.
        await asyncio.wait({reading}, timeout=READ_SECONDS)
        found = reading.result() if reading.done() and reading.exception() is None else None
        if not isinstance(found, DocumentInspected) or found.ByteSize() >= FACT_BYTES:
            return None
        inspected = found.SerializeToString()
        seal = self._sealer.seal(stored.key.encode(), inspected)
        return Arrival(inspected=inspected, seal=seal, microseconds=round((time.perf_counter() - began) * 1e6))

    def _done(self, reading: "asyncio.Task[DocumentInspected | Failure]") -> None:
        self._reading.discard(reading)
        error = None if reading.cancelled() else reading.exception()
        if error is not None and not isinstance(error, SandboxError | PagemeshError):
            log.error("reading on arrival failed", exc_info=error)
