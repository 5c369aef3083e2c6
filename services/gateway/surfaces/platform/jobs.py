"""Jobs: their status, polled, awaited or followed."""

from starlette.responses import Response
from starlette.types import Send

from mesh import client
from pagemesh.results.v1 import job_pb2, results_pb2
from services.gateway import polling
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.feed import Entry, Feed, Key
from services.gateway.held import HeldResponse, Run, send_whole
from services.gateway.job_access import JobAccess
from services.gateway.listing import list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.surfaces.platform.job_events import event_stream, seen_revision
from services.gateway.validation import NoBody, NoQuery
from services.gateway.visits import Visit

_STATES = {name: state for state, name in render.JOB_STATUSES.items()}
_TYPES = {name: kind for kind, name in render.JOB_TYPES.items()}

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
                {
                    200: Answer(
                        "Events named `job`, each with the job as its data.", media_types=("text/event-stream",)
                    ),
                    204: Answer("The client has the job's end already."),
                },
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
        if seconds is None:
            return _status_response(entry, known)
        if not seconds or is_news or entry.ended:
            return _status_response(entry, known, seconds)
        return HeldResponse(call.identity, self._awaited(key, entry, seconds, known))

    def _awaited(self, key: Key, entry: Entry, seconds: int, known: str | None) -> Run:
        async def run(visit: Visit, send: Send) -> None:
            newest = await self._feed.changed_state(key, entry, seconds, visit)
            if not visit.denied:
                await send_whole(_status_response(newest, known, seconds), send)

        return run

    async def events(self, call: Call[NoBody, NoQuery]) -> Response:
        """A job's changes until it ended; 204 for who has its end already."""
        key = (call.identity.organization_id, call.ids["job_id"])
        await self._access.require(call.identity, key[1])
        entry = await self._feed.get(key)
        seen = await seen_revision(self._feed, key, entry, call.request.headers.get("last-event-id"))
        if entry.ended and seen == entry.job.revision:
            return Response(status_code=204)
        return HeldResponse(call.identity, event_stream(self._feed, key, seen))


def _status_response(entry: Entry, if_none_match: str | None, waited: int | None = None) -> Response:
    status = entry.status
    unchanged = polling.matches(if_none_match, status.etag)
    response = Response(b"" if unchanged else status.body, 304 if unchanged else 200)
    response.raw_headers = list(status.unchanged_headers if unchanged else status.headers)
    if waited is not None:
        response.headers["preference-applied"] = f"wait={waited}"
    return response
