"""`results` in memory, as tests of the gateway need it: records by organization."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from mesh import identity, ids
from mesh.errors import (
    IllegalState,
    NotFound,
    Unavailable,
)
from pagemesh.results.v1 import (
    analysis_pb2,
    job_control_pb2,
    job_pb2,
    page_pb2,
    results_pb2,
    results_pb2_grpc,
    usage_pb2,
    usage_pb2_grpc,
)
from services.gateway.feed import ENDED
from tests.support.gateway_auth import MOMENT


@dataclass
class Records:
    """What `results` remembers."""

    documents: dict[str, job_pb2.Document] = field(default_factory=dict)
    jobs: dict[str, job_pb2.Job] = field(default_factory=dict)
    pages: dict[str, list[page_pb2.Page]] = field(default_factory=dict)
    analyses: dict[str, list[analysis_pb2.Analysis]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)


class Results(
    results_pb2_grpc.JobServiceServicer,
    results_pb2_grpc.DocumentServiceServicer,
    usage_pb2_grpc.UsageServiceServicer,
):
    """Records without a pipeline: a job stays as it is until a test changes it."""

    def __init__(self) -> None:
        self.records = Records()
        self.calls: Counter[str] = Counter()
        self.last_list: results_pb2.ListDocumentsRequest | None = None
        self.matches: list[results_pb2.PageMatch] = []
        self.used = usage_pb2.GetUsageResponse()
        self.usage_away = False
        self.last_usage: usage_pb2.GetUsageRequest | None = None
        self.hold: asyncio.Event | None = None
        """While set, and not yet happened, `GetJob` waits for it."""

    def add(self, organization: str, document: job_pb2.Document, job: job_pb2.Job) -> job_pb2.Job:
        """Records a document with its job."""
        document.state = document.state or job_pb2.DOCUMENT_STATE_UPLOADED
        for stamp in (document.created_at, document.updated_at, job.created_at, job.updated_at):
            stamp.FromSeconds(MOMENT)
        job.organization_id, job.document_id = organization, document.id
        job.state, job.revision = job.state or job_pb2.JOB_STATE_PENDING, job.revision or 1
        self.records.owners[document.id] = self.records.owners[job.id] = organization
        self.records.documents.setdefault(document.id, document)
        return self.records.jobs.setdefault(job.id, job)

    def _mine(self, number: str) -> str:
        if self.records.owners.get(number) != identity.current().organization_id:
            raise NotFound("There is no such thing of yours.")
        return number

    async def GetJob(self, request: results_pb2.GetJobRequest, context: object) -> results_pb2.GetJobResponse:
        self.calls["GetJob"] += 1
        job = job_pb2.Job()
        job.CopyFrom(self.records.jobs[self._mine(request.job_id)])
        if self.hold is not None:
            await self.hold.wait()
        return results_pb2.GetJobResponse(job=job)

    async def SubmitJob(self, request: results_pb2.SubmitJobRequest, context: object) -> results_pb2.SubmitJobResponse:
        job = job_pb2.Job(id=request.job_id, type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, stage="queued")
        job.config.CopyFrom(request.config)
        job.priority = request.priority
        recorded = self.add(identity.current().organization_id, request.document, job)
        return results_pb2.SubmitJobResponse(document=self.records.documents[request.document.id], job=recorded)

    async def CancelJob(
        self, request: job_control_pb2.CancelJobRequest, context: object
    ) -> job_control_pb2.CancelJobResponse:
        job = self.records.jobs[self._mine(request.job_id)]
        if job.state in ENDED and not (request.is_repeat and job.state == job_pb2.JOB_STATE_CANCELLED):
            raise IllegalState("The job has ended already.")
        job.state, job.stage, job.revision = job_pb2.JOB_STATE_CANCELLED, "cancelled", job.revision + 1
        job.result.page_count, job.pages_spent[:] = job.pages_total, range(1, job.pages_done + 1)
        return job_control_pb2.CancelJobResponse(job=job)

    async def RetryJob(
        self, request: job_control_pb2.RetryJobRequest, context: object
    ) -> job_control_pb2.RetryJobResponse:
        job = self.records.jobs[self._mine(request.job_id)]
        if job.state != job_pb2.JOB_STATE_FAILED:
            raise IllegalState("Only a failed job can be tried again.")
        job.state, job.stage, job.revision = job_pb2.JOB_STATE_PENDING, "queued", job.revision + 1
        return job_control_pb2.RetryJobResponse(job=job)

    async def WatchJob(
        self, request: results_pb2.WatchJobRequest, context: object
    ) -> AsyncIterator[results_pb2.WatchJobResponse]:
        yield results_pb2.WatchJobResponse(job=self.records.jobs[self._mine(request.job_id)])

    async def ListJobs(self, request: results_pb2.ListJobsRequest, context: object) -> results_pb2.ListJobsResponse:
        organization = identity.current().organization_id
        jobs = [one for one in self.records.jobs.values() if one.organization_id == organization]
        start = (request.page - 1) * request.per_page
        return results_pb2.ListJobsResponse(jobs=jobs[start : start + request.per_page], total=len(jobs))

    async def SubmitAnalysis(
        self, request: results_pb2.SubmitAnalysisRequest, context: object
    ) -> results_pb2.SubmitAnalysisResponse:
        document = self.records.documents[self._mine(request.document_id)]
        config = job_pb2.JobConfig(analysis=request.config)
        organization = identity.current().organization_id
        job_id = str(ids.owned(organization, request.job_id, "job_id"))
        job = job_pb2.Job(id=job_id, type=job_pb2.JOB_TYPE_ANALYSIS, stage="queued", config=config)
        return results_pb2.SubmitAnalysisResponse(job=self.add(organization, document, job))

    async def GetDocument(
        self, request: results_pb2.GetDocumentRequest, context: object
    ) -> results_pb2.GetDocumentResponse:
        document = self.records.documents[self._mine(request.document_id)]
        jobs = [job for job in self.records.jobs.values() if job.document_id == document.id]
        return results_pb2.GetDocumentResponse(document=document, jobs=jobs)

    async def ListDocuments(
        self, request: results_pb2.ListDocumentsRequest, context: object
    ) -> results_pb2.ListDocumentsResponse:
        self.last_list = request
        organization = identity.current().organization_id
        found = [one for one in self.records.documents.values() if self.records.owners[one.id] == organization]
        start = (request.page - 1) * request.per_page
        window = found[start : start + request.per_page]
        return results_pb2.ListDocumentsResponse(documents=window, total=len(found), matches=self.matches)

    async def DeleteDocument(
        self, request: results_pb2.DeleteDocumentRequest, context: object
    ) -> results_pb2.DeleteDocumentResponse:
        self._mine(request.document_id)
        del self.records.owners[request.document_id]
        for job in self.records.jobs.values():
            if job.document_id == request.document_id:
                self.records.owners.pop(job.id, None)
        return results_pb2.DeleteDocumentResponse()

    async def ListPages(self, request: results_pb2.ListPagesRequest, context: object) -> results_pb2.ListPagesResponse:
        pages = self.records.pages.get(self._mine(request.document_id), [])
        start = (request.page - 1) * request.per_page
        return results_pb2.ListPagesResponse(pages=pages[start : start + request.per_page], total=len(pages))

    async def StreamPages(
        self, request: results_pb2.StreamPagesRequest, context: object
    ) -> AsyncIterator[results_pb2.StreamPagesResponse]:
        for page in self.records.pages.get(self._mine(request.document_id), []):
            yield results_pb2.StreamPagesResponse(page=page)

    async def GetUsage(self, request: usage_pb2.GetUsageRequest, context: object) -> usage_pb2.GetUsageResponse:
        self.calls["GetUsage"] += 1
        self.last_usage = request
        if self.usage_away:
            raise Unavailable("The database is away.")
        return self.used

    async def ListAnalyses(
        self, request: results_pb2.ListAnalysesRequest, context: object
    ) -> results_pb2.ListAnalysesResponse:
        analyses = self.records.analyses.get(self._mine(request.document_id), [])
        return results_pb2.ListAnalysesResponse(analyses=analyses)
