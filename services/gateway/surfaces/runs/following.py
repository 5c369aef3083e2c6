"""Runs followed: `results` tells each change of one on a stream, which is opened anew when it breaks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from mesh import client
from mesh.errors import DeadlineExceeded, Unavailable
from pagemesh.results.v1.runs_pb2 import GetRunRequest, Run, WatchRunRequest
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.runs.render import ENDED

_AGAIN_SECONDS = 0.5
_STREAM_SECONDS = 600.0


class Following:
    """Runs of the caller in hand."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Lets everybody who waits go with what is known."""
        self._closing.set()

    async def get(self, run_id: str) -> Run:
        """The run now. Raises NotFound, Forbidden, Unavailable."""
        return (await client.call(self._neighbours.runs.GetRun, GetRunRequest(run_id=run_id))).run

    async def changed_state(self, run: Run, seconds: float) -> Run:
        """The run in its next state, or, when none comes within so many seconds, as it is then."""
        try:
            async with asyncio.timeout(seconds), aclosing(self.follow(run.id, seconds)) as changes:
                async for newest in changes:
                    if newest is None or newest.state != run.state or newest.state in ENDED:
                        return newest or run
                    run = newest
        except TimeoutError:
            pass
        return run

    async def follow(self, run_id: str, pulse: float) -> AsyncGenerator[Run | None, None]:
        """The run now and after every change until it ended; None after each `pulse` seconds without a change."""
        changes = self._changes(run_id)
        closing = asyncio.ensure_future(self._closing.wait())
        coming = asyncio.ensure_future(anext(changes, None))
        try:
            while not self._closing.is_set():
                await asyncio.wait({coming, closing}, timeout=pulse, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    yield None
                    continue
                run = coming.result()
                if run is None:
                    return
                yield run
                coming = asyncio.ensure_future(anext(changes, None))
        finally:
            closing.cancel()
            coming.cancel()

    async def _changes(self, run_id: str) -> AsyncIterator[Run]:
        revision = 0
        while True:
            try:
                request = WatchRunRequest(run_id=run_id)
                async for answer in client.stream(self._neighbours.runs.WatchRun, request, _STREAM_SECONDS):
                    if answer.run.revision > revision:
                        revision = answer.run.revision
                        yield answer.run
                    if answer.run.state in ENDED:
                        return
            except (Unavailable, DeadlineExceeded):
                pass
            await asyncio.sleep(_AGAIN_SECONDS)
