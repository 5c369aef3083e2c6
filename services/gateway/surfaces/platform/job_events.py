"""A job's changes as server-sent events.

Source: HTML Living Standard, section 9.2 (server-sent events); contract/conventions.md, "Polling".
"""

import re

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


def revision_of(last_event_id: str | None) -> int:
    """The revision that a `Last-Event-ID` names; NOTHING_SEEN for one of somebody else."""
    return int(last_event_id) if last_event_id and _REVISION.fullmatch(last_event_id) else NOTHING_SEEN


def event_stream(feed: Feed, key: Key, seen: int) -> Run:
    """Sends the newest state unless it has been seen, then every change, until the job ended or is gone."""

    async def run(visit: Visit, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send(_piece(_RETRY))
        try:
            entry = await feed.get(key)
            if entry.job.revision > seen:
                await send(_piece(_event(entry)))
            while not (entry.ended or feed.is_over(visit)):
                newest = await feed.changed(key, entry, PULSE_SECONDS, visit)
                if newest.job.revision > max(seen, entry.job.revision):
                    await send(_piece(_event(newest)))
                elif not feed.is_over(visit):
                    await send(_piece(_PULSE))
                entry = newest
        except PagemeshError:
            pass  # its document was deleted, or nobody can say now: a reconnection is told which
        await send({"type": "http.response.body", "body": b""})

    return run


def _event(entry: Entry) -> bytes:
    return b"id: %d\nevent: job\ndata: %s\n\n" % (entry.job.revision, entry.status.body)


def _piece(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}
