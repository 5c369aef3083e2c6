"""Jobs: their status, polled, awaited or followed."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from mesh import client
from mesh.errors import NotFound
from pagemesh.results.v1 import job_pb2, results_pb2
from services.gateway import polling
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.feed import Entry, Feed
from services.gateway.job_access import JobAccess
from services.gateway.listing import list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery
from services.gateway.zero_log import mark

PULSE_SECONDS = 15.0
_STATES = {name: state for state, name in render.JOB_STATUSES.items()}
_TYPES = {name: kind for kind, name in render.JOB_TYPES.items()}
EVENT_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

_SCOPE = "jobs.read"


class Jobs:
    """Jobs of the caller's organization."""

    def __init__(self, neighbours: Neighbours, feed: Feed, access: JobAccess) -> None:
        self._neighbours = neighbours
        self._feed = feed
        self._access = access

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/jobs/{{job_id}}"
        return [
            get(
                f"{PREFIX}/jobs",
                self.find,
                "Find jobs",
                {200: Answer("Jobs, newest first.", shapes.JobList, headers=("Link",))},
                models.JobsQuery,
                scope=_SCOPE,
            ),
            get(
                one,
                self.read,
                "A job's status",
                {
                    200: Answer("The job.", shapes.Job, headers=("ETag", "Retry-After", "Preference-Applied")),
                    304: Answer("Nothing has changed.", headers=("ETag", "Retry-After", "Preference-Applied")),
                },
                request_headers=("If-None-Match", "Prefer"),
                scope=_SCOPE,
            ),
            get(
                f"{one}/events",
                self.events,
                "A job's changes as server-sent events",
                {200: Answer("Events named `job`, each with the job as its data.", media_types=("text/event-stream",))},
                request_headers=("Last-Event-ID",),
                scope=_SCOPE,
            ),
        ]

    async def find(self, call: Call[NoBody, models.JobsQuery]) -> Response:
        """A list of jobs."""
        query = call.query
        request = results_pb2.ListJobsRequest(
            page=query.page,
            per_page=query.per_page,
            state=_STATES[query.status] if query.status else job_pb2.JOB_STATE_UNSPECIFIED,
            type=_TYPES[query.job_type] if query.job_type else job_pb2.JOB_TYPE_UNSPECIFIED,
            document_id=(query.document_id or "").lower(),
        )
        found = await client.call(self._neighbours.jobs.ListJobs, request)
        return list_response(call.request.url, query, [render.job(one) for one in found.jobs], found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """A job's status, after its state changed if the client would wait for that."""
        key = (call.identity.organization_id, call.ids["job_id"])
        known, seconds = (
            call.request.headers.get("if-none-match"),
            polling.preferred_wait(call.request.headers.get("prefer")),
        )
        await self._access.require(call.identity, key[1])
        entry = await self._feed.get(key)
        is_news = known is not None and not polling.matches(known, entry.status.etag)
        if seconds and not is_news:
            entry = await self._feed.changed_state(key, entry, seconds)
        response = _status_response(entry, known)
        if seconds is not None:
            response.headers["preference-applied"] = f"wait={seconds}"
        return response

    async def events(self, call: Call[NoBody, NoQuery]) -> Response:
        """A job's changes until it ended."""
        key = (call.identity.organization_id, call.ids["job_id"])
        await self._access.require(call.identity, key[1])
        entry = await self._feed.get(key)  # so that an unknown job is answered as one
        if entry.job.zero_log:
            mark(call.request.scope)
        events = self._events(key, call.request.headers.get("last-event-id"))
        return StreamingResponse(events, headers=EVENT_HEADERS, media_type="text/event-stream")

    async def _events(self, key: tuple[str, str], last_seen: str | None) -> AsyncIterator[bytes]:
        try:
            async for entry in self._feed.follow(key, PULSE_SECONDS):
                if entry is None:
                    yield b": still here\n\n"
                elif str(entry.job.revision) != last_seen:
                    yield b"id: %d\nevent: job\ndata: %s\n\n" % (entry.job.revision, entry.status.body)
        except NotFound:
            return  # its document was deleted, or its time is up


def _status_response(entry: Entry, if_none_match: str | None) -> Response:
    status = entry.status
    unchanged = polling.matches(if_none_match, status.etag)
    response = Response(b"" if unchanged else status.body, 304 if unchanged else 200)
    response.raw_headers = list(status.unchanged_headers if unchanged else status.headers)
    return response
