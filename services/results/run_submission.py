"""Runs that begin with something to be fetched, or with a document that is there; and their ends by a person."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from google.protobuf.json_format import MessageToDict

from mesh import context, scopes
from mesh.errors import IllegalState, InvalidArgument, NotFound
from mesh.identity import Identity
from mesh.ids import owned, to_uuid
from pagemesh.results.v1.runs_pb2 import Run, RunSource, SubmitRunRequest
from pagemesh.work.v1.fetch_pb2 import FetchTask
from services.results import convert
from services.results.control import Control
from services.results.ephemeral import expiry_of
from services.results.ephemeral.runs import EphemeralRuns
from services.results.originals import suggested_name, unfetched_document
from services.results.outbox import Outbox
from services.results.planning import Planner, RunPlan
from services.results.records import DocumentRecord, JobRecord
from services.results.run_reading import RunReader
from services.results.runs import RunView
from services.results.store import Store
from services.results.submission import Submission
from services.results.tombstones import in_memory

_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\x7f]{1,1024}")


class RunSubmission:
    """Starts and cancels runs."""

    def __init__(
        self,
        store: Store,
        submission: Submission,
        outbox: Outbox,
        control: Control,
        planner: Planner,
        in_memory: EphemeralRuns,
    ) -> None:
        self._store = store
        self._runs = RunReader(store)
        self._in_memory = in_memory
        self._submission = submission
        self._outbox = outbox
        self._control = control
        self._planner = planner

    async def submit(self, caller: Identity, request: SubmitRunRequest, owner: UUID | None) -> Run:
        """Starts a run; a repeat answers what the first one made. With an owner a document has to be theirs.

        Raises InvalidArgument naming the field, NotFound, IllegalState when the document could not be read or the id
        belongs to another run, Forbidden, Unavailable.
        """
        kind = request.WhichOneof("source")
        if kind is None:
            raise InvalidArgument("A run begins with something.", field="source")
        expires_at = expiry_of(request.zero_log) if request.HasField("zero_log") else None
        if kind == "document_id":
            if request.analyses:
                scopes.require(caller, "enrichment.write")
            document_id = to_uuid(request.document_id, "source.document_id")
            return await self._of_document(self._plan(caller, request, kind, document_id), owner, expires_at)
        fetch = self._fetch(request)
        document_id = uuid5(owned(caller.organization_id, request.id, "id"), "document")
        plan = self._plan(caller, request, kind, document_id)
        document, job = _unfetched(caller, plan, request, fetch)
        if expires_at is not None:
            return await self._in_memory.fetch(document, job, plan, expires_at)
        await self._submission.begin(document, job, run=plan)
        return await self._runs.recorded(plan)

    async def cancel(self, view: RunView) -> None:
        """Cancels what has not ended of a run. Raises IllegalState when all of it has."""
        readings = [job.id for job in view.jobs if job.reads and view.is_own]
        others = [job.id for job in view.jobs if not job.reads]
        if not await self._control.cancel_all(readings, others):
            raise IllegalState("The run has ended, or only waits for its document.", state=view.state)

    def _plan(
        self, caller: Identity, request: SubmitRunRequest, kind: Literal["url", "s3", "document_id"], document_id: UUID
    ) -> RunPlan:
        return self._planner.plan(caller, request.id, _wanted(request, kind), document_id)

    async def _of_document(self, plan: RunPlan, owner: UUID | None, expires_at: datetime | None) -> Run:
        if expires_at is None:
            with suppress(NotFound):
                await self._work_on(plan, owner)
                return await self._runs.recorded(plan)
        asking = self._in_memory.work_on(plan, owner, expires_at)
        return await in_memory(asking, self._store, plan.run.organization_id, plan.run.document_id, owner)

    async def _work_on(self, plan: RunPlan, owner: UUID | None) -> None:
        run, headers = plan.run, context.outgoing_headers()
        async with self._store.transaction() as tables:
            await tables.jobs.lock_reading(run.organization_id, run.document_id)
            document = await tables.documents.get(run.organization_id, run.document_id, owner)
            reading = await tables.jobs.reading(run.organization_id, run.document_id)
            if document is None or reading is None:
                raise NotFound("There is no such document.")
            if document.state == "failed" and not await tables.runs.get(run.organization_id, run.id, None):
                raise IllegalState("The document could not be read, so there is nothing to do.", state="failed")
            tasks = await plan.insert(tables, document, reading, headers)
        self._outbox.hand_out(tasks)

    def _fetch(self, request: SubmitRunRequest) -> FetchTask:
        if request.max_bytes <= 0:
            raise InvalidArgument("max_bytes is not acceptable.", field="max_bytes")
        if request.job.HasField("analysis"):
            raise InvalidArgument("Analyses are those of the run.", field="job.analysis")
        if request.HasField("url"):
            url = self._planner.check_url(request.url, "source.url")
            return FetchTask(url=url, max_bytes=request.max_bytes)
        if not _S3.fullmatch(request.s3):
            raise InvalidArgument("This is no s3://bucket/key.", field="source.s3")
        return FetchTask(s3=request.s3, max_bytes=request.max_bytes)


def _unfetched(
    caller: Identity, plan: RunPlan, request: SubmitRunRequest, fetch: FetchTask
) -> tuple[DocumentRecord, JobRecord]:
    """The document that is to be fetched, and the job that does it."""
    document = unfetched_document(caller, plan.run.document_id, suggested_name(fetch.url or fetch.s3))
    asked = MessageToDict(fetch, preserving_proto_field_name=True)
    job = JobRecord(
        id=uuid5(plan.run.id, "job"),
        organization_id=document.organization_id,
        user_id=document.user_id,
        document_id=document.id,
        type="text_extraction",
        priority=request.priority,
        config=convert.config_record(request.job) | {"fetch": asked},
    )
    return document, job


def _wanted(request: SubmitRunRequest, kind: Literal["url", "s3", "document_id"]) -> Run:
    return Run(
        source=RunSource(**{kind: getattr(request, kind)}),
        mode=request.job.mode,
        languages=request.job.languages,
        analyses=request.analyses,
        priority=request.priority,
        callback_url=request.callback_url,
    )
