"""Proto ⇄ domain; the caller's organization is always the token's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import InvalidArgument, NotFound
from mesh.ids import owned, to_uuid
from mesh.seal import Sealer
from mesh.streams import status_subject
from pagemesh.ingest.v1.events_pb2 import DocumentInspected
from pagemesh.results.v1 import results_pb2 as pb
from pagemesh.results.v1 import usage_pb2
from pagemesh.results.v1.erasures_pb2 import Erasure as ErasureMessage
from pagemesh.results.v1.job_control_pb2 import CancelJobRequest, CancelJobResponse, RetryJobRequest, RetryJobResponse
from pagemesh.results.v1.job_pb2 import DocumentState, Job, JobState, JobType
from pagemesh.results.v1.page_pb2 import Page
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceServicer, JobServiceServicer
from pagemesh.results.v1.usage_pb2_grpc import UsageServiceServicer
from services.results import convert, pipeline
from services.results.control import Control
from services.results.ephemeral import Ephemeral, State, expiry_of
from services.results.ephemeral.reading import EphemeralWork
from services.results.erasure import Erasure
from services.results.fields import choice, wait, window
from services.results.metering import EPOCH
from services.results.originals import account, new_document
from services.results.planning import Planner
from services.results.records import DocumentRecord, JobRecord, PageRecord
from services.results.run_reading import RunReader
from services.results.sharing import Sharing
from services.results.store import Store
from services.results.store.search import harmless
from services.results.submission import Arrived, Submission
from services.results.tombstones import in_memory, message, missing

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_WATCH_SECONDS = 2.0
_STREAM_BATCH = 16
_ENDED = frozenset({JobState.JOB_STATE_COMPLETED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED})
_LAST_DAY = 2_000_000
_MAX_SEARCH = 500


class JobServicer(JobServiceServicer):
    """Jobs."""

    def __init__(
        self,
        store: Store,
        submission: Submission,
        control: Control,
        planner: Planner,
        bus: Bus,
        sealer: Sealer,
        sharing: Sharing,
        ephemeral: Ephemeral,
    ) -> None:
        self._store = store
        self._ephemeral = ephemeral
        self._control = control
        self._runs = RunReader(store)
        self._planner = planner
        self._sharing = sharing
        self._submission = submission
        self._sealer = sealer
        self._bus = bus
        self._closing = False

    def close(self) -> None:
        """Lets those go who follow jobs, within `_WATCH_SECONDS`: they ask another replica."""
        self._closing = True

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: "Context") -> pb.SubmitJobResponse:
        """See the proto."""
        caller = identity.current()
        document = new_document(caller, request.document, request.HasField("zero_log"))
        kind = _reading_kind(request.job_type)
        document.hidden = kind in pipeline.HIDING or request.run.HasField("text")
        job = _new_job(caller, request.job_id, document.id, kind, request.priority)
        job.config = convert.config_record(request.config)
        plan = self._planner.sent(caller, request, document.id)
        if request.HasField("zero_log"):
            expires_at = expiry_of(request.zero_log, request.document)
            return await self._ephemeral.read(document, job, expires_at, self._arrived(request), plan)
        document, job = await self._submission.read(document, job, self._arrived(request), plan)
        response = pb.SubmitJobResponse(document=convert.document_message(document), job=convert.job_message(job))
        if plan:
            response.run.CopyFrom(await self._runs.recorded(plan))
        return response

    def _arrived(self, request: pb.SubmitJobRequest) -> Arrived | None:
        """What ingest vouches for; whatever somebody else made up is as good as nothing."""
        arrival, key = request.arrival, request.document.storage_key.encode()
        if not self._sealer.is_good(arrival.seal, key, arrival.inspected):
            return None
        return Arrived(DocumentInspected.FromString(arrival.inspected), arrival.microseconds / 1e6)

    async def SubmitAnalysis(self, request: pb.SubmitAnalysisRequest, context: "Context") -> pb.SubmitAnalysisResponse:
        """See the proto."""
        document_id = to_uuid(request.document_id, "document_id")
        job = _new_job(identity.current(), request.job_id, document_id, "analysis", request.priority)
        job.config = convert.analysis_config_record(request.config, request.callback_url)
        owner = await self._sharing.owner()
        if request.HasField("zero_log"):
            return await self._ephemeral.analyse(job, owner, expiry_of(request.zero_log))
        try:
            started = await self._submission.analyse(job, owner)
        except NotFound:
            analysing = self._ephemeral.analyse(job, owner, None)
            return await in_memory(analysing, self._store, job.organization_id, document_id, owner)
        return pb.SubmitAnalysisResponse(job=convert.job_message(started))

    async def GetJob(self, request: pb.GetJobRequest, context: "Context") -> pb.GetJobResponse:
        """See the proto."""
        return pb.GetJobResponse(job=await self._job(request.job_id))

    async def WatchJob(self, request: pb.WatchJobRequest, context: "Context") -> AsyncIterator[pb.WatchJobResponse]:
        """See the proto."""
        changed = asyncio.Event()
        subject = status_subject(identity.current().organization_id, str(to_uuid(request.job_id, "job_id")))
        listening = await self._bus.listen(subject, lambda _subject, _payload: changed.set())
        revision = -1
        try:
            while True:
                job = await self._job(request.job_id)
                if job.revision > revision:
                    revision = job.revision
                    yield pb.WatchJobResponse(job=job)
                if job.state in _ENDED or self._closing:
                    return
                # Status may get lost with the broker; looking now and then costs little.
                await wait(changed, _WATCH_SECONDS)
        finally:
            await listening.unsubscribe()

    async def ListJobs(self, request: pb.ListJobsRequest, context: "Context") -> pb.ListJobsResponse:
        """See the proto."""
        limit, offset = window(request.page, request.per_page)
        state = choice(JobState, request.state, "JOB_STATE_", "state")
        kind = choice(JobType, request.type, "JOB_TYPE_", "type")
        document_id = to_uuid(request.document_id, "document_id") if request.document_id else None
        owner = await self._sharing.owner()
        async with self._store.reading() as tables:
            jobs, total = await tables.jobs.list(_organization(), owner, state, kind, document_id, limit, offset)
        return pb.ListJobsResponse(jobs=[convert.job_message(job) for job in jobs], total=total)

    async def CancelJob(self, request: CancelJobRequest, context: "Context") -> CancelJobResponse:
        """See the proto."""
        job_id, owner = to_uuid(request.job_id, "job_id"), await self._sharing.owner()
        try:
            job = await self._control.cancel(_organization(), job_id, owner, request.is_repeat)
        except NotFound:
            await self._in_memory(job_id, owner)
            return CancelJobResponse(
                job=await self._ephemeral.cancel(_organization(), job_id, owner, request.is_repeat)
            )
        return CancelJobResponse(job=convert.job_message(job))

    async def RetryJob(self, request: RetryJobRequest, context: "Context") -> RetryJobResponse:
        """See the proto."""
        job_id, owner = to_uuid(request.job_id, "job_id"), await self._sharing.owner()
        try:
            job = await self._control.retry(_organization(), job_id, owner, request.is_repeat)
        except NotFound:
            await self._in_memory(job_id, owner)
            return RetryJobResponse(job=await self._ephemeral.retry(_organization(), job_id, owner, request.is_repeat))
        return RetryJobResponse(job=convert.job_message(job))

    async def _job(self, job_id: str) -> Job:
        owner = await self._sharing.owner()
        async with self._store.reading() as tables:
            job = await tables.jobs.get(_organization(), to_uuid(job_id, "job_id"), owner)
        if job is None:
            return await self._in_memory(to_uuid(job_id, "job_id"), owner)
        return convert.job_message(job)

    async def _in_memory(self, job_id: UUID, owner: UUID | None) -> Job:
        asking = self._ephemeral.work.job(_organization(), job_id, owner)
        return await in_memory(asking, self._store, _organization(), job_id, owner, "job")


class DocumentServicer(DocumentServiceServicer):
    """Documents, their pages and analyses."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        control: Control,
        sharing: Sharing,
        erasure: Erasure,
        ephemeral: EphemeralWork,
    ) -> None:
        self._store = store
        self._ephemeral = ephemeral
        self._sharing = sharing
        self._erasure = erasure
        self._blobs = blobs
        self._control = control

    async def GetDocument(self, request: pb.GetDocumentRequest, context: "Context") -> pb.GetDocumentResponse:
        """See the proto."""
        document = await self._document(request.document_id)
        if isinstance(document, State):
            return self._ephemeral.described(document)
        async with self._store.reading() as tables:
            jobs = await tables.jobs.of_document(document.organization_id, document.id)
        return pb.GetDocumentResponse(
            document=convert.document_message(document), jobs=[convert.job_message(job) for job in jobs]
        )

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: "Context") -> pb.ListDocumentsResponse:
        """See the proto."""
        limit, offset = window(request.page, request.per_page)
        state = choice(DocumentState, request.state, "DOCUMENT_STATE_", "state")
        sort = choice(pb.DocumentSort, request.sort, "DOCUMENT_SORT_", "sort")
        place = choice(pb.SearchIn, request.search_in, "SEARCH_IN_", "search_in")
        if len(request.search) > _MAX_SEARCH:
            raise InvalidArgument(f"search has at most {_MAX_SEARCH} characters.", field="search")
        search, owner = _text(request.search), await self._sharing.owner()
        if place == "content" and search:
            match = {"organization_id": _organization(), "owner": owner, "state": state, "search": harmless(search)}
            return await self._search(match, sort, request.ascending, limit, offset)
        async with self._store.reading() as tables:
            documents, total = await tables.documents.list(
                _organization(), owner, state, search, sort or "created_at", request.ascending, limit, offset
            )
        return pb.ListDocumentsResponse(documents=[convert.document_message(one) for one in documents], total=total)

    async def _search(
        self, match: dict[str, Any], sort: str, ascending: bool, limit: int, offset: int
    ) -> pb.ListDocumentsResponse:
        async with self._store.reading() as tables:
            documents, total = await tables.search.documents(match, sort, ascending, limit, offset)
            matches = await tables.search.pages([one.id for one in documents], match["search"])
        return pb.ListDocumentsResponse(
            documents=[convert.document_message(one) for one in documents],
            total=total,
            matches=[pb.PageMatch(document_id=str(m.document_id), page=m.page, snippet=m.snippet) for m in matches],
        )

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, context: "Context") -> pb.DeleteDocumentResponse:
        """See the proto."""
        organization_id, document_id = _organization(), to_uuid(request.document_id, "document_id")
        owner = await self._sharing.owner()
        if erased := await self._ephemeral.delete(organization_id, document_id, owner):
            return pb.DeleteDocumentResponse(
                erasure=message(await self._erasure.signed(erased)) if request.erase else None
            )
        found = await self._control.delete(organization_id, document_id, owner)
        if request.erase:
            return pb.DeleteDocumentResponse(erasure=await self._erased(organization_id, document_id, owner))
        if not found:
            raise await missing(self._store, organization_id, document_id, owner)
        if await self._ephemeral.delete(organization_id, document_id, owner):
            return pb.DeleteDocumentResponse()
        return pb.DeleteDocumentResponse()

    async def _erased(self, organization_id: UUID, document_id: UUID, owner: UUID | None) -> ErasureMessage:
        """What was hidden a moment ago or before, a repeat's included, erased by now. Raises NotFound."""
        async with self._store.reading() as tables:
            if not await tables.remains.is_hidden(organization_id, document_id, owner):
                known = await tables.erasures.of_owner(organization_id, document_id, owner)
                if known is None or known.id != document_id:
                    raise NotFound("There is no such document.")
        return message(await self._erasure.erase_now("document", document_id))

    async def ListPages(self, request: pb.ListPagesRequest, context: "Context") -> pb.ListPagesResponse:
        """See the proto."""
        limit, offset = window(request.page, request.per_page)
        document = await self._document(request.document_id)
        if isinstance(document, State):
            return await self._ephemeral.listed(document, limit, offset, request.include_lines)
        async with self._store.reading() as tables:
            pages, total = await tables.pages.list(document.id, limit, offset)
        messages = [await self._page(page, request.include_lines) for page in pages]
        return pb.ListPagesResponse(pages=messages, total=total)

    async def StreamPages(
        self, request: pb.StreamPagesRequest, context: "Context"
    ) -> AsyncIterator[pb.StreamPagesResponse]:
        """See the proto."""
        document = await self._document(request.document_id)
        if isinstance(document, State):
            async for response in self._ephemeral.streamed(document, request.include_lines):
                yield response
            return
        number, more = 0, True
        while more:
            # No connection is held while a reader takes its time.
            async with self._store.reading() as tables:
                pages = await tables.pages.after(document.id, number, _STREAM_BATCH)
            more = len(pages) == _STREAM_BATCH
            for page in pages:
                number = page.number
                yield pb.StreamPagesResponse(page=await self._page(page, request.include_lines))

    async def ListAnalyses(self, request: pb.ListAnalysesRequest, context: "Context") -> pb.ListAnalysesResponse:
        """See the proto."""
        document, wanted = await self._document(request.document_id), request.analysis_type
        if isinstance(document, State):
            return pb.ListAnalysesResponse(analyses=await self._ephemeral.analyses(document, wanted), zero_log=True)
        async with self._store.reading() as tables:
            analyses = await tables.analyses.list(document.id, _text(wanted))
        private = await self._ephemeral.analyses_of(document.organization_id, document.id, wanted)
        lasting = [convert.analysis_message(one) for one in analyses]
        return pb.ListAnalysesResponse(analyses=[*private, *lasting], zero_log=bool(private))

    async def _document(self, document_id: str) -> DocumentRecord | State:
        owner, hidden = await self._sharing.owner(), identity.current().role == "service"
        async with self._store.reading() as tables:
            document = await tables.documents.get(_organization(), to_uuid(document_id, "document_id"), owner, hidden)
        if document is None:
            one = to_uuid(document_id, "document_id")
            asking = self._ephemeral.document(_organization(), one, owner, hidden)
            return await in_memory(asking, self._store, _organization(), one, owner)
        return document

    async def _page(self, page: PageRecord, include_lines: bool) -> Page:
        layout = await self._blobs.get(page.layout_key) if page.layout_key else page.layout
        return convert.page_message(page, layout, include_lines)


class UsageServicer(UsageServiceServicer):
    """What organizations have used."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetUsage(self, request: usage_pb2.GetUsageRequest, context: "Context") -> usage_pb2.GetUsageResponse:
        """See the proto."""
        if not 0 <= request.first_day <= request.last_day <= _LAST_DAY:
            raise InvalidArgument("The last day is not before the first.", field="last_day")
        days = (request.first_day, request.last_day, max(0, min(request.gateway_first_day, _LAST_DAY)))
        first, last, gateway_first = (EPOCH + timedelta(days=day) for day in days)
        gateway = to_uuid(request.gateway_id, "gateway_id") if request.gateway_id else None
        async with self._store.reading() as tables:
            used = await tables.usage.sums(_organization(), first, last, (gateway, gateway_first))
        return usage_pb2.GetUsageResponse(**asdict(used))


def _organization() -> UUID:
    return UUID(identity.current().organization_id)


def _new_job(caller: identity.Identity, job_id: str, document_id: UUID, kind: str, priority: int) -> JobRecord:
    if not 0 <= priority <= 9:
        raise InvalidArgument("priority is from 0 to 9.", field="priority")
    return JobRecord(
        id=owned(caller.organization_id, job_id, "job_id"),
        organization_id=UUID(caller.organization_id),
        user_id=account(caller),
        document_id=document_id,
        type=kind,
        priority=priority,
        config={},
    )


def _reading_kind(number: "JobType.ValueType") -> str:
    kind = choice(JobType, number, "JOB_TYPE_", "job_type") or "text_extraction"
    if kind == "analysis":
        raise InvalidArgument("An analysis reads no document.", field="job_type")
    return kind


def _text(value: str) -> str:
    """The text as PostgreSQL can compare it: it has no NUL character, so nothing of that name is there."""
    return value.replace("\0", "\ufffd")
