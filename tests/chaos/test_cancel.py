"""Jobs cancelled in the middle of a scan, by a whole stack: nobody works on them any more, whoever dies meanwhile."""

import asyncio
import functools
import time
from pathlib import Path

from cli.background import Background
from tests.support.broker import eventually
from tests.support.children import children, cpu_seconds
from tests.support.client import ApiClient, Json
from tests.support.documents import scanned_pdf

DENSE = "\n".join(f"{{page}}.{line} The harbour office opens at nine and closes at five." for line in range(48))
PAGES = 10
STOPPED_WITHIN = 2.0


async def busy(pid: int) -> set[int]:
    """Children that work."""
    working: set[int] = set()

    async def some_work() -> bool:
        before = {child: cpu_seconds(child) for child in children(pid)}
        await asyncio.sleep(0.1)
        working.update(child for child, used in before.items() if cpu_seconds(child) > used)
        return bool(working)

    await eventually(some_work)
    return working


async def none_lives(pids: set[int]) -> None:
    """Fails unless all are gone in time."""

    async def gone() -> bool:
        return not any(map(_lives, pids))

    await eventually(gone, within=STOPPED_WITHIN)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@functools.cache
def dense_scan() -> bytes:
    """Pages that take a while."""
    return scanned_pdf(PAGES, DENSE)


async def being_read(client: ApiClient) -> Json:
    """A scan of which some pages are read, and others not by far."""
    uploaded: Json = (await client.upload("dense.pdf", dense_scan(), priority="9")).json()

    async def some_pages() -> bool:
        return int((await client.get(f"/api/v1/jobs/{uploaded['job_id']}"))["pages"]["done"]) >= 1

    await eventually(some_pages, within=90)
    return uploaded


async def test_cancelling_stops_the_work_though_results_dies(stack: Background) -> None:
    """Killed right after its 202: the children are dead in time, the job is cancelled for good, another goes on."""
    client = await ApiClient(stack.url).register()
    scan = await being_read(client)
    other = (await client.upload("other.pdf", scanned_pdf(2))).json()
    working = await busy(stack.state.processes["ocr"].pid)
    answer = await client.http.post(f"/api/v1/jobs/{scan['job_id']}/cancel")
    stack.kill("results")
    assert (202, "cancelled") == (answer.status_code, answer.json()["status"])
    await none_lives(working)
    assert "completed" == (await client.ended(other["job_id"]))["status"]
    job = await client.get(f"/api/v1/jobs/{scan['job_id']}")
    assert answer.json() == job
    spent = job["result"]["pages_spent"]
    assert (len(spent), PAGES) == (job["pages"]["done"], job["pages"]["total"])
    assert 1 <= len(spent) < PAGES
    pages = await client.get(f"/api/v1/documents/{scan['id']}/pages?per_page=100")
    usage = await client.get("/api/v1/organizations/me/usage")
    assert (spent, len(spent) + 2) == ([page["number"] for page in pages["items"]], usage["usage"]["pages_processed"])
    again = await client.http.post(f"/api/v1/jobs/{scan['job_id']}/cancel")
    assert 409 == again.status_code
    await client.close()


async def test_deleting_a_document_stops_the_work(stack: Background) -> None:
    """As cancelling its job does."""
    client = await ApiClient(stack.url).register()
    scan = await being_read(client)
    working = await busy(stack.state.processes["ocr"].pid)
    began = time.monotonic()
    assert 204 == (await client.http.delete(f"/api/v1/documents/{scan['id']}")).status_code
    await none_lives(working)
    assert time.monotonic() - began < STOPPED_WITHIN + 1
    assert 404 == (await client.http.get(f"/api/v1/jobs/{scan['job_id']}")).status_code
    await client.close()
