"""Ours, as a benchmark meets it: a stack of its own in a temporary directory, and an account on it."""

import json
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import JobFailed, Submit
from benchmarks.wire import Answer
from cli.background import NO_LIMITS, Background, background_stack

ENVIRONMENT = NO_LIMITS
UPLOAD_PATH = "/api/v1/documents/upload"
_REGISTER_PATH = "/api/v1/auth/register"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A running stack and the credential of an account on it."""

    stack: Background
    token: str

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return self.stack.url

    def submit(self, mode: str = "mixed", poll_headers: dict[str, str] | None = None) -> Submit:
        """How ours takes a document and says that it is read."""
        return Submit(
            path=UPLOAD_PATH,
            job_path=job_path,
            finished=finished,
            headers={"Authorization": f"Bearer {self.token}"},
            poll_headers=poll_headers or {},
            fields={"mode": mode},
        )

    def pids(self) -> dict[str, int]:
        """The stack's processes by name."""
        return {name: process.pid for name, process in self.stack.state.processes.items()}

    def metrics_url(self, service: str) -> str:
        """The page where a service shows its metrics."""
        return f"http://127.0.0.1:{self.stack.state.ports[f'metrics.{service}']}/metrics"


def job_path(answer: Answer) -> str:
    """Where the status of an uploaded document is polled."""
    return f"/api/v1/jobs/{json.loads(answer.body)['job_id']}"


def finished(body: bytes) -> bool:
    """Whether the job is completed. Raises JobFailed when it ended otherwise."""
    job = json.loads(body)
    if job["status"] in ("failed", "cancelled"):
        raise JobFailed(str(job["error"]))
    return bool(job["status"] == "completed")


@contextmanager
def running_mesh(environment: Mapping[str, str] | None = None) -> Iterator[Mesh]:
    """A fresh stack with an account, stopped and removed at the end of the block. Raises NotStartedError."""
    with (
        tempfile.TemporaryDirectory(prefix="pagemesh-bench-") as directory,
        background_stack(Path(directory) / "data", {**ENVIRONMENT, **(environment or {})}, quiet=True) as stack,
    ):
        yield Mesh(stack, _register(stack.url))


def _register(url: str) -> str:
    """The access token of a new account."""
    account = {
        "email": f"{uuid.uuid4().hex}@example.com",
        "password": uuid.uuid4().hex,
        "full_name": "Bench Mark",
    }
    request = urllib.request.Request(
        f"{url}{_REGISTER_PATH}", json.dumps(account).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        registered: dict[str, Any] = json.load(answer)
    return str(registered["access_token"])
