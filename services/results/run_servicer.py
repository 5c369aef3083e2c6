"""Runs: proto ⇄ domain; the caller's organization is always the token's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity, scopes
from mesh.bus import Bus
from mesh.errors import NotFound
from mesh.ids import to_uuid
from mesh.streams import status_subject
from pagemesh.results.v1 import runs_pb2 as pb
from pagemesh.results.v1.runs_pb2_grpc import RunServiceServicer
from services.results.ephemeral.runs import EphemeralRuns
from services.results.fields import choice, wait, window
from services.results.run_convert import run_message
from services.results.run_reading import RunReader
from services.results.run_submission import RunSubmission
from services.results.runs import RunView
from services.results.sharing import Sharing
from services.results.store import Store
from services.results.tombstones import in_memory

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_WATCH_SECONDS = 2.0


class RunServicer(RunServiceServicer):
    """Runs."""

    def __init__(
        self, store: Store, submission: RunSubmission, bus: Bus, sharing: Sharing, in_memory: EphemeralRuns
    ) -> None:
        self._store = store
        self._in_memory = in_memory
        self._runs = RunReader(store)
        self._submission = submission
        self._bus = bus
        self._sharing = sharing
        self._closing = False

    def close(self) -> None:
        """Lets those go who follow runs, within `_WATCH_SECONDS`: they ask another replica."""
        self._closing = True

    async def SubmitRun(self, request: pb.SubmitRunRequest, context: "Context") -> pb.SubmitRunResponse:
        """See the proto."""
        run = await self._submission.submit(identity.current(), request, await self._sharing.owner())
        return pb.SubmitRunResponse(run=run)

    async def GetRun(self, request: pb.GetRunRequest, context: "Context") -> pb.GetRunResponse:
        """See the proto."""
        return pb.GetRunResponse(run=await (await self._found(request.run_id)).message())

    async def ListRuns(self, request: pb.ListRunsRequest, context: "Context") -> pb.ListRunsResponse:
        """See the proto."""
        limit, offset = window(request.page, request.per_page)
        state = choice(pb.RunState, request.state, "RUN_STATE_", "state")
        views, total = await self._runs.list(_organization(), await self._sharing.owner(), state, limit, offset)
        return pb.ListRunsResponse(runs=[run_message(view) for view in views], total=total)

    async def WatchRun(self, request: pb.WatchRunRequest, context: "Context") -> AsyncIterator[pb.WatchRunResponse]:
        """See the proto."""
        view, revision = (await self._found(request.run_id)).view, 0
        changed = asyncio.Event()
        async with AsyncExitStack() as listening:
            for job in view.jobs:
                subject = status_subject(str(view.run.organization_id), str(job.id))
                heard = await self._bus.listen(subject, lambda _subject, _payload: changed.set())
                listening.push_async_callback(heard.unsubscribe)
            while True:
                found = await self._found(request.run_id)
                if found.view.revision > revision:
                    revision = found.view.revision
                    yield pb.WatchRunResponse(run=await found.message())
                if found.view.ended or self._closing:
                    return
                # Status may get lost with the broker; looking now and then costs little.
                await wait(changed, _WATCH_SECONDS)

    async def CancelRun(self, request: pb.CancelRunRequest, context: "Context") -> pb.CancelRunResponse:
        """See the proto."""
        found = await self._found(request.run_id)
        if found.is_in_memory:
            owner = await self._sharing.owner()
            await self._in_memory.cancel(_organization(), found.view.run.id, owner)
        else:
            await self._submission.cancel(found.view)
        run = await (await self._found(request.run_id)).message()
        run.ClearField("result")
        return pb.CancelRunResponse(run=run)

    async def GetQueue(self, request: pb.GetQueueRequest, context: "Context") -> pb.GetQueueResponse:
        """See the proto."""
        async with self._store.reading() as tables:
            kinds = await tables.queue.depths(_organization())
        return pb.GetQueueResponse(
            kinds=[pb.QueuedWork(kind=one.kind, depth=one.depth, oldest_age_ms=one.oldest_age_ms) for one in kinds]
        )

    async def _found(self, run_id: str) -> "_Found":
        """The run, which its caller may see."""
        found = await self._look(to_uuid(run_id, "run_id"), await self._sharing.owner())
        if found.view.run.asked.get("analyses"):
            scopes.require(identity.current(), "enrichment.read")
        return found

    async def _look(self, run_id: UUID, owner: UUID | None) -> "_Found":
        try:
            view = await self._runs.get(_organization(), run_id, owner)
        except NotFound:
            asking = self._in_memory.get(_organization(), run_id, owner)
            state, kept = await in_memory(asking, self._store, _organization(), run_id, owner, "run")
            return _Found(state.view(kept), lambda: self._in_memory.message(state, kept), is_in_memory=True)
        return _Found(view, lambda: self._runs.message(view))


@dataclass(frozen=True)
class _Found:
    """A run, wherever it is kept."""

    view: RunView
    message: Callable[[], Awaitable[pb.Run]]
    """The run for its caller, once completed with its result."""
    is_in_memory: bool = False


def _organization() -> UUID:
    return UUID(identity.current().organization_id)
