"""Tasks: a text or a file in, a result out; polled, awaited or followed in between."""

from starlette.responses import Response
from starlette.types import Send

from mesh import client
from mesh.identity import Identity
from pagemesh.results.v1 import job_pb2, results_pb2
from pagemesh.results.v1.text_tasks_pb2 import DeleteTextTaskRequest
from services.gateway import polling
from services.gateway.answers import accepted, json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Endpoint, Keyed, delete, get, post
from services.gateway.feed import Entry, Feed, Key
from services.gateway.held import HeldResponse, Run, send_whole
from services.gateway.job_access import JobAccess
from services.gateway.listing import list_response
from services.gateway.neighbours import Neighbours
from services.gateway.organizations import Organizations
from services.gateway.surfaces.platform import PREFIX
from services.gateway.surfaces.platform import render as platform
from services.gateway.surfaces.platform.erasures import Erasure, shown
from services.gateway.surfaces.platform.job_events import event_stream, seen_revision
from services.gateway.surfaces.tasks import models, render, shapes
from services.gateway.surfaces.tasks.acceptance import Acceptance
from services.gateway.surfaces.tasks.results import TaskBodies, require_task
from services.gateway.texts import MAX_CHARACTERS
from services.gateway.validation import NoBody, NoQuery
from services.gateway.visits import Visit

_TASKS = f"{PREFIX}/tasks"
# A character beyond the Basic Multilingual Plane takes twelve bytes when JSON escapes it.
_TEXT_BODY_BYTES = 12 * MAX_CHARACTERS + (256 << 10)
_STATES = {name: state for state, name in render.STATUSES.items()}
_READ, _WRITE = "jobs.read", "documents.write"
_ACCEPTED = {202: Answer("The accepted task.", shapes.AcceptedTask, headers=("Location", "Retry-After"))}


class Tasks:
    """Tasks of the caller's organization."""

    def __init__(
        self,
        neighbours: Neighbours,
        organizations: Organizations,
        acceptance: Acceptance,
        feed: Feed,
        access: JobAccess,
    ) -> None:
        self._neighbours = neighbours
        self._organizations = organizations
        self._acceptance = acceptance
        self._feed = feed
        self._access = access
        self._bodies = TaskBodies(neighbours)

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        one = f"{_TASKS}/{{task_id}}"
        return [
            post(
                _TASKS,
                self.create,
                "Start a task on a text",
                _ACCEPTED,
                models.TaskBody,
                keyed=Keyed(),
                estimate=self._acceptance.estimate_text,
                scope=_WRITE,
                body_bytes=_TEXT_BODY_BYTES,
            ),
            Endpoint(
                "POST",
                f"{_TASKS}/file",
                self.create_of_file,
                "Start a task on a file, whose scanned pages are read by OCR",
                _ACCEPTED,
                NoBody,
                NoQuery,
                form=models.TaskForm,
                problems=(400, 413, 415, 422, 429),
                keyed=Keyed(),
                estimate=self._acceptance.estimate_file,
                scope=_WRITE,
            ),
            get(
                _TASKS,
                self.find,
                "Find tasks",
                {200: Answer("Tasks without their results, newest first.", shapes.TaskList, headers=("Link",))},
                models.TasksQuery,
                scope=_READ,
            ),
            get(
                one,
                self.read,
                "A task's status, and its result when it is completed",
                {
                    200: Answer("The task.", shapes.Task, headers=("ETag", "Retry-After", "Preference-Applied")),
                    304: Answer("Nothing has changed.", headers=("ETag", "Retry-After", "Preference-Applied")),
                },
                request_headers=("If-None-Match", "Prefer"),
                scope=_READ,
            ),
            get(
                f"{one}/events",
                self.events,
                "A task's changes as server-sent events",
                {
                    200: Answer(
                        "Events named `task`, each with the task as its data.", media_types=("text/event-stream",)
                    ),
                    204: Answer("The client has its end already."),
                },
                request_headers=("Last-Event-ID",),
                scope=_READ,
            ),
            delete(
                one,
                self.delete,
                "Cancel a task, or erase one that has ended",
                {
                    200: Answer("It is erased; the receipt says so.", Erasure),
                    202: Answer("It is cancelled.", shapes.Task, headers=("Location",)),
                },
                scope=_WRITE,
            ),
        ]

    async def create(self, call: Call[models.TaskBody, NoQuery]) -> Response:
        """Accepts a text."""
        days = await self._retention_days(call.identity)
        return self._accepted(await self._acceptance.text(call), days)

    async def create_of_file(self, call: Call[NoBody, NoQuery]) -> Response:
        """Accepts a file."""
        days = await self._retention_days(call.identity)
        return self._accepted(await self._acceptance.file(call), days)

    async def _retention_days(self, caller: Identity) -> int:
        """Asked for before anything is accepted: an answer must not fail afterwards."""
        return (await self._organizations.get(caller.organization_id)).settings.retention_days

    def _accepted(self, job: job_pb2.Job, retention_days: int) -> Response:
        self._feed.offer(job)
        answer = render.accepted(job, retention_days)
        return accepted(answer, 202, f"{_TASKS}/{job.id}", platform.retry_after(job))

    async def find(self, call: Call[NoBody, models.TasksQuery]) -> Response:
        """A list of tasks."""
        query = call.query
        request = results_pb2.ListJobsRequest(
            page=query.page,
            per_page=query.per_page,
            state=_STATES[query.status] if query.status else job_pb2.JOB_STATE_UNSPECIFIED,
            type=job_pb2.JOB_TYPE_TEXT_TASK,
        )
        found = await client.call(self._neighbours.jobs.ListJobs, request)
        return list_response(call.request.url, query, [render.task(one) for one in found.jobs], found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """A task's status, after its state changed if the client would wait for that."""
        asked = call.request.headers
        known, seconds = asked.get("if-none-match"), polling.preferred_wait(asked.get("prefer"))
        entry = await self._entry(call)
        response, is_news = await self._status(entry, known, seconds)
        if not seconds or is_news or entry.ended:
            return response
        return HeldResponse(call.identity, self._awaited(_key(call), entry, seconds, known))

    def _awaited(self, key: Key, entry: Entry, seconds: int, known: str | None) -> Run:
        async def run(visit: Visit, send: Send) -> None:
            newest = await self._feed.changed_state(key, entry, seconds, visit)
            if not visit.denied:
                response, _ = await self._status(newest, known, seconds)
                await send_whole(response, send)

        return run

    async def _status(self, entry: Entry, known: str | None, waited: int | None) -> tuple[Response, bool]:
        """The answer, and whether it is news to somebody who knows a version."""
        body = await self._bodies.of(entry)
        headers = _headers(entry, body)
        if waited is not None:
            headers["preference-applied"] = f"wait={waited}"
        if polling.matches(known, headers["etag"]):
            return Response(status_code=304, headers=headers), False
        return Response(body, 200, headers, "application/json"), known is not None

    async def events(self, call: Call[NoBody, NoQuery]) -> Response:
        """A task's changes until it ended; 204 for who has its end already."""
        entry, key = await self._entry(call), _key(call)
        seen = await seen_revision(self._feed, key, entry, call.request.headers.get("last-event-id"))
        if entry.ended and seen == entry.job.revision:
            return Response(status_code=204)
        return HeldResponse(call.identity, event_stream(self._feed, key, seen, "task", self._bodies.of))

    async def delete(self, call: Call[NoBody, NoQuery]) -> Response:
        """Cancels a task or erases it."""
        task_id = call.ids["task_id"]
        request = DeleteTextTaskRequest(task_id=task_id)
        answer = await client.call(self._neighbours.text_tasks.DeleteTextTask, request)
        if not answer.HasField("cancelled"):
            self._feed.gone(_key(call))
            self._bodies.forget(_key(call))
            return json_response(shown(answer.erasure))
        self._feed.offer(answer.cancelled)
        return json_response(render.task(answer.cancelled), 202, {"location": f"{_TASKS}/{task_id}"})

    async def _entry(self, call: Call[NoBody, NoQuery]) -> Entry:
        await self._access.require(call.identity, call.ids["task_id"])
        return require_task(await self._feed.get(_key(call)))


def _key(call: Call[NoBody, NoQuery]) -> tuple[str, str]:
    return call.identity.organization_id, call.ids["task_id"]


def _headers(entry: Entry, body: bytes) -> dict[str, str]:
    headers = {"etag": polling.strong_etag(body), "cache-control": "private, no-cache"}
    return headers if entry.ended else {**headers, "retry-after": str(platform.retry_after(entry.job))}
