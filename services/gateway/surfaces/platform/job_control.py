"""Jobs that are stopped, or tried again."""

from starlette.responses import Response

from mesh import client
from pagemesh.results.v1 import job_control_pb2, job_pb2
from services.gateway.answers import accepted
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, post
from services.gateway.feed import Feed
from services.gateway.kept_terms import KeptTerms
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, render, shapes
from services.gateway.validation import NoBody, NoQuery
from services.gateway.zero_log import ZeroLog, ZeroLogTerms, mark

_HEADERS = ("Location", "Retry-After")
_SCOPE = "documents.write"


class JobControl:
    """Jobs of the caller's organization; `results` knows which of them the caller may see."""

    def __init__(self, neighbours: Neighbours, feed: Feed, zero_log: ZeroLogTerms) -> None:
        self._neighbours = neighbours
        self._kept = KeptTerms(neighbours, zero_log)
        self._feed = feed

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/jobs/{{job_id}}"
        return [
            post(
                f"{one}/cancel",
                self.cancel,
                "Stop a job",
                {202: Answer("The job, cancelled, with the pages that were spent.", shapes.Job, headers=_HEADERS)},
                NoBody,
                problems=(409,),
                keyed=Keyed(),
                remembered=self._remembered,
                scope=_SCOPE,
            ),
            post(
                f"{one}/retry",
                self.retry,
                "Try a failed job again",
                {202: Answer("The job, pending again.", shapes.Job, headers=_HEADERS)},
                NoBody,
                problems=(409,),
                keyed=Keyed(),
                remembered=self._remembered,
                scope=_SCOPE,
            ),
        ]

    async def cancel(self, call: Call[NoBody, NoQuery]) -> Response:
        """Stops a job."""
        request = job_control_pb2.CancelJobRequest(job_id=call.ids["job_id"], is_repeat=call.origin.is_repeat)
        return self._answer(call, (await client.call(self._neighbours.jobs.CancelJob, request)).job)

    async def retry(self, call: Call[NoBody, NoQuery]) -> Response:
        """Tries a failed job again."""
        request = job_control_pb2.RetryJobRequest(job_id=call.ids["job_id"], is_repeat=call.origin.is_repeat)
        return self._answer(call, (await client.call(self._neighbours.jobs.RetryJob, request)).job)

    async def _remembered(self, call: Call[NoBody, NoQuery]) -> ZeroLog | None:
        return await self._kept.of_job(call.request.scope, call.ids["job_id"])

    def _answer(self, call: Call[NoBody, NoQuery], job: job_pb2.Job) -> Response:
        self._feed.offer(job)
        if job.zero_log:
            mark(call.request.scope)
        return accepted(render.job(job), 202, f"{PREFIX}/jobs/{job.id}", render.retry_after(job))
