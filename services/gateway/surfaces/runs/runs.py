"""Runs: started, polled, awaited, followed, cancelled; and what waits for workers."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from mesh import client, ids
from mesh.errors import Forbidden, NotFound, TooMuch
from pagemesh.results.v1 import runs_pb2
from services.gateway import polling
from services.gateway.answers import accepted, json_response
from services.gateway.callbacks import CallbackPolicy
from services.gateway.dry_runs import Estimate
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Endpoint, Keyed, get
from services.gateway.listing import list_response
from services.gateway.neighbours import Neighbours
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.problems import invalid
from services.gateway.settings import GatewaySettings
from services.gateway.surfaces.platform import API_VERSION, PREFIX
from services.gateway.surfaces.platform.previews import Preview
from services.gateway.surfaces.runs import models, render, shapes
from services.gateway.surfaces.runs.estimating import Estimating
from services.gateway.surfaces.runs.following import Following
from services.gateway.surfaces.runs.starting import Start
from services.gateway.texts import MAX_CHARACTERS
from services.gateway.uploads import Opener, UploadReader, too_large
from services.gateway.validation import NoBody, NoQuery, declared_length
from services.gateway.zero_log import ZeroLog, ZeroLogTerms

_MIB = 1 << 20
_FORM_OVERHEAD_BYTES = _MIB
_BODY_BYTES = 12 * MAX_CHARACTERS + _MIB
"""A text of as many characters as may be, each of them escaped."""
PULSE_SECONDS = 15.0
_STATES = {name: state for state, name in render.STATES.items()}
_EVENT_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_READ, _WRITE = "jobs.read", "documents.write"


class Runs:
    """Runs of the caller's organization."""

    def __init__(
        self,
        neighbours: Neighbours,
        organizations: Organizations,
        usage: Usage,
        settings: GatewaySettings,
        callbacks: CallbackPolicy,
        zero_log: ZeroLogTerms,
    ) -> None:
        self._callbacks = callbacks
        self._zero_log = zero_log
        self._neighbours = neighbours
        self._organizations = organizations
        self._usage = usage
        self._settings = settings
        self.following = Following(neighbours)

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{PREFIX}/runs/{{run_id}}"
        return [
            Endpoint(
                "POST",
                f"{PREFIX}/runs",
                self.start,
                "Start a run of a file, a URL, an object of S3, a document or a text",
                {202: Answer("The accepted run.", shapes.RunAccepted, headers=("Location", "Retry-After"))},
                models.RunBody,
                NoQuery,
                form=models.RunForm,
                body_bytes=_BODY_BYTES,
                problems=(404, 409),
                keyed=Keyed(),
                estimate=self.estimate,
                zero_log=self._refuse_zero_log,
                always_recorded=True,
                scope=_WRITE,
            ),
            get(
                f"{PREFIX}/runs",
                self.find,
                "Find runs",
                {200: Answer("Runs, newest first.", shapes.RunList, headers=("Link",))},
                models.RunsQuery,
                scope=_READ,
            ),
            get(
                one,
                self.read,
                "A run's status, and what came of it",
                {
                    200: Answer("The run.", shapes.Run, headers=("ETag", "Retry-After", "Preference-Applied")),
                    304: Answer("Nothing has changed.", headers=("ETag", "Retry-After", "Preference-Applied")),
                },
                request_headers=("If-None-Match", "Prefer"),
                scope=_READ,
            ),
            get(
                f"{one}/events",
                self.events,
                "A run's changes as server-sent events",
                {200: Answer("Events named `run`, each with the run as its data.", media_types=("text/event-stream",))},
                request_headers=("Last-Event-ID",),
                scope=_READ,
            ),
            Endpoint(
                "POST",
                f"{one}/cancel",
                self.cancel,
                "Cancel what has not ended of a run",
                {202: Answer("The cancelled run.", shapes.Run, headers=("Location",))},
                NoBody,
                NoQuery,
                problems=(409,),
                keyed=Keyed(),
                scope=_WRITE,
            ),
            get(
                f"{PREFIX}/queue",
                self.queue,
                "What of the organization's waits for workers",
                {200: Answer("Depth and oldest age by kind of work.", shapes.Queue)},
                scope=_READ,
            ),
        ]

    async def start(self, call: Call[Any, NoQuery]) -> Response:
        """Starts a run."""
        makes_document = call.is_form or call.body.source.document_id is None
        if makes_document:
            await self._require_room(call)
        max_bytes = await self._max_bytes(call)
        start = Start(self._neighbours, self._callbacks, call.origin, max_bytes, self._settings.upload_seconds)
        if not call.is_form:
            return _accepted(await start.named(call.body))
        return _accepted(await start.file(self._reader(call, start.open, max_bytes)))

    async def _refuse_zero_log(self, call: Call[Any, NoQuery]) -> ZeroLog | None:
        """Runs are recorded. Raises InvalidArgument where nothing may be, rather than do what was not meant."""
        if await self._zero_log.of(call.request.headers, call.identity) is not None:
            raise invalid({"X-Zero-Log": "Runs are recorded: send a task or a document, which can be kept in memory."})
        return None

    async def estimate(self, call: Call[Any, NoQuery]) -> Estimate:
        """What the run would take. What is only named is not fetched for that."""
        estimating = Estimating(self._neighbours, self._callbacks)
        if not call.is_form:
            if call.body.source.document_id is None:
                await self._usage.require_room(call.identity)
            return await estimating.named(call.body)
        await self._usage.require_room(call.identity)
        max_bytes = await self._max_bytes(call)
        preview = Preview(self._neighbours.ingest, self._settings.upload_seconds, max_bytes, estimating.wanted)
        return await estimating.file(await preview.run(self._reader(call, preview.open, max_bytes)))

    def _reader(self, call: Call[Any, NoQuery], open_sink: Opener, max_bytes: int) -> UploadReader:
        return UploadReader(call.form(), open_sink, max_bytes, self._settings.upload_held_bytes)

    async def _max_bytes(self, call: Call[Any, NoQuery]) -> int:
        """The largest file that the organization allows. Raises InvalidArgument when the form must be larger."""
        organization = await self._organizations.get(call.identity.organization_id)
        max_bytes: int = organization.settings.max_file_size_mb * _MIB
        if call.is_form and declared_length(call.request) > max_bytes + _FORM_OVERHEAD_BYTES:
            raise too_large(max_bytes)
        return max_bytes

    async def find(self, call: Call[NoBody, models.RunsQuery]) -> Response:
        """A list of runs."""
        query = call.query
        request = runs_pb2.ListRunsRequest(
            page=query.page,
            per_page=query.per_page,
            state=_STATES[query.state] if query.state else runs_pb2.RUN_STATE_UNSPECIFIED,
        )
        found = await client.call(self._neighbours.runs.ListRuns, request)
        return list_response(call.request.url, query, [render.status(one) for one in found.runs], found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """A run, after its state changed if the client would wait for that."""
        headers = call.request.headers
        known, seconds = headers.get("if-none-match"), polling.preferred_wait(headers.get("prefer"))
        run = await self.following.get(call.ids["run_id"])
        is_news = known is not None and not polling.matches(known, polling.strong_etag(render.body(run)))
        if seconds and not is_news and run.state not in render.ENDED:
            run = await self.following.changed_state(run, seconds)
        response = _status(run, known)
        if seconds is not None:
            response.headers["preference-applied"] = f"wait={seconds}"
        return response

    async def events(self, call: Call[NoBody, NoQuery]) -> Response:
        """A run's changes until it ended."""
        run_id = call.ids["run_id"]
        await self.following.get(run_id)  # so that an unknown run is answered as one
        events = self._events(run_id, call.request.headers.get("last-event-id"))
        return StreamingResponse(events, headers=_EVENT_HEADERS, media_type="text/event-stream")

    async def cancel(self, call: Call[NoBody, NoQuery]) -> Response:
        """Cancels a run."""
        request = runs_pb2.CancelRunRequest(run_id=call.ids["run_id"])
        cancelled = (await client.call(self._neighbours.runs.CancelRun, request)).run
        return Response(render.body(cancelled), 202, {"location": f"{PREFIX}/runs/{cancelled.id}"}, "application/json")

    async def queue(self, call: Call[NoBody, NoQuery]) -> Response:
        """What waits."""
        waiting = await client.call(self._neighbours.runs.GetQueue, runs_pb2.GetQueueRequest())
        return json_response(render.queue(waiting.kinds))

    async def _events(self, run_id: str, last_seen: str | None) -> AsyncIterator[bytes]:
        try:
            async for run in self.following.follow(run_id, PULSE_SECONDS):
                if run is None:
                    yield b": still here\n\n"
                elif str(run.revision) != last_seen:
                    yield b"id: %d\nevent: run\ndata: %s\n\n" % (run.revision, render.body(run))
        except NotFound:
            return  # its document was deleted

    async def _require_room(self, call: Call[Any, NoQuery]) -> None:
        """Raises TooMuch (QUOTA_EXCEEDED) unless the plan has room for a document."""
        try:
            await self._usage.require_room(call.identity)
        except TooMuch:
            if not await self._is_made(call):
                raise

    async def _is_made(self, call: Call[Any, NoQuery]) -> bool:
        """Whether a try that nobody finished has made the run already: a repeat takes no room."""
        if not call.origin.is_repeat:
            return False
        made = ids.owned(call.identity.organization_id, call.origin.id("run"), "run_id")
        try:
            await self.following.get(str(made))
        except (NotFound, Forbidden):  # a caller that may only write cannot tell
            return False
        return True


def _accepted(run: runs_pb2.Run) -> Response:
    return accepted(render.accepted(run), 202, f"{PREFIX}/runs/{run.id}", render.retry_after(run))


def _status(run: runs_pb2.Run, if_none_match: str | None) -> Response:
    body = render.body(run)
    etag = polling.strong_etag(body)
    headers = {"etag": etag, "cache-control": "private, no-cache", "api-version": API_VERSION}
    if run.state not in render.ENDED:
        headers["retry-after"] = str(render.retry_after(run))
    if polling.matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
