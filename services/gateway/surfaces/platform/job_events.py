"""A job's changes as server-sent events.

Source: HTML Living Standard, section 9.2 (server-sent events); contract/conventions.md, "Polling".
"""

import re
from collections.abc import Awaitable, Callable

from starlette.types import Send

from mesh.errors import PagemeshError
from services.gateway.feed import Entry, Feed, Key
from services.gateway.held import Run
from services.gateway.visits import Visit

PULSE_SECONDS = 15.0
NOTHING_SEEN = -1
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_RETRY = b"retry: 2000\n\n"
_PULSE = b": still here\n\n"
_REVISION = re.compile(r"\d{1,18}", re.ASCII)


Tell = Callable[[Entry], Awaitable[bytes]]


async def _status(entry: Entry) -> bytes:
    return entry.status.body


def revision_of(last_event_id: str | None) -> int:
    """The revision that a `Last-Event-ID` names; NOTHING_SEEN for one of somebody else."""
    return int(last_event_id) if last_event_id and _REVISION.fullmatch(last_event_id) else NOTHING_SEEN


async def seen_revision(feed: Feed, key: Key, entry: Entry, last_event_id: str | None) -> int:
    """The revision that the client has; it may be newer than what this gateway has heard of so far."""
    seen = revision_of(last_event_id)
    if seen > entry.job.revision:
        feed.forget(key)
        entry = await feed.get(key)
    return seen if seen <= entry.job.revision else NOTHING_SEEN


def event_stream(feed: Feed, key: Key, seen: int, name: str = "job", tell: Tell = _status) -> Run:
    """Sends the newest state unless it has been seen, then every change, until the job ended or is gone.

    Events have a name, and what `tell` says of the job as their data.
    """

    async def event(entry: Entry) -> dict[str, object]:
        return _piece(b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.job.revision, name.encode(), await tell(entry)))

    async def run(visit: Visit, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send(_piece(_RETRY))
        try:
            entry = await feed.get(key)
            if entry.job.revision > seen:
                await send(await event(entry))
            while not (entry.ended or feed.is_over(visit)):
                newest = await feed.changed(key, entry, PULSE_SECONDS, visit)
                if newest.job.revision > max(seen, entry.job.revision):
                    await send(await event(newest))
                elif not feed.is_over(visit):
                    await send(_piece(_PULSE))
                entry = newest
        except PagemeshError:
            pass  # its document was deleted, or nobody can say now: a reconnection is told which
        await send({"type": "http.response.body", "body": b""})

    return run


def _piece(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}
