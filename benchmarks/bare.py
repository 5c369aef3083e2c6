"""The cheapest JSON answer of the same stack: one Starlette route under uvicorn, the ceiling for polls per second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.children import HOST, accepts, child, free_port, until_ready, uvicorn_command

JOB_PATH = "/job"
# Shape and size (about 400 bytes) of the status of a finished job.
JOB = {
    "id": "018fd2b2-6c1e-7d53-9a43-0f6c9f3f8a11",
    "document_id": "018fd2b2-6c1e-7d53-9a43-0f6c9f3f8a12",
    "job_type": "text_extraction",
    "status": "completed",
    "priority": 5,
    "progress": 100,
    "stage": None,
    "result": {"text_length": 1834, "table_count": 1, "page_count": 1, "processing_time_ms": 12},
    "error": None,
    "attempts": 1,
    "created_at": "2026-11-22T03:00:00Z",
    "completed_at": "2026-11-22T03:00:01Z",
}


async def job(request: Request) -> JSONResponse:
    """The same finished job, serialised anew for every request."""
    return JSONResponse(JOB)


app = Starlette(routes=[Route(JOB_PATH, job)])


@asynccontextmanager
async def running_bare(directory: Path) -> AsyncIterator[str]:
    """Serve `app` from a child process, its log in `directory`; yields the base URL."""
    port = free_port()
    async with child(*uvicorn_command("benchmarks.bare:app", port), log=directory / "bare.log") as server:
        await until_ready(server, lambda: accepts(port), "uvicorn")
        yield f"http://{HOST}:{port}"
