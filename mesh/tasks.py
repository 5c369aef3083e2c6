"""Tasks as workers see them: parsed, and reported on by facts that the broker has confirmed."""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from mesh import memory_blobs
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.streams import ephemeral_fact_subject, fact_subject
from mesh.worker import GiveUp, Handler
from pagemesh.analysis.v1.events_pb2 import DocumentAnalyzed
from pagemesh.ingest.v1.events_pb2 import DocumentInspected, PagesExtracted
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.ocr.v1.events_pb2 import PageRecognized
from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.work.v1.work_pb2 import Fact, Task

Do = Callable[[Task, "Report"], Coroutine[Any, Any, None]]
News = DocumentFetched | DocumentInspected | PagesExtracted | PageRecognized | DocumentAnalyzed


class Report:
    """Tells the record what comes of one task; each fact is durable when its call returns."""

    def __init__(self, bus: Bus, service: str, task: Task) -> None:
        self._bus = bus
        self._expires_at = expiry(task)
        self._subject = ephemeral_fact_subject(service, task.job_id) if self._expires_at else fact_subject(service)
        self._task = task

    async def tell(self, news: News, last: bool = True) -> None:
        """Reports news; `last` says that the task is done with it."""
        fact = self._fact(last)
        if isinstance(news, DocumentFetched):
            fact.fetched.CopyFrom(news)
        elif isinstance(news, DocumentInspected):
            fact.inspected.CopyFrom(news)
        elif isinstance(news, PagesExtracted):
            fact.extracted.CopyFrom(news)
        elif isinstance(news, PageRecognized):
            fact.recognized.CopyFrom(news)
        else:
            fact.analyzed.CopyFrom(news)
        await self._publish(fact)

    async def fail(self, code: str, message: str) -> None:
        """Reports that the task as a whole cannot be done."""
        fact = self._fact(last=True)
        fact.failed.CopyFrom(Failure(code=code, message=message))
        await self._publish(fact)

    def _fact(self, last: bool) -> Fact:
        return Fact(task_id=self._task.id, job_id=self._task.job_id, attempt=self._task.attempt, last=last)

    async def _publish(self, fact: Fact) -> None:
        # A repeated delivery that finds the same reports under the same id, so the broker drops what it has.
        payload = fact.SerializeToString(deterministic=True)
        digest = hashlib.blake2b(payload, digest_size=12).hexdigest()
        message_id = f"{self._task.id}.{self._task.attempt}.{digest}"
        seconds = memory_blobs.seconds_until(self._expires_at) if self._expires_at else None
        await self._bus.publish(self._subject, payload, message_id, seconds=seconds)


def expiry(task: Task) -> datetime | None:
    """When what a zero-log task is about is forgotten; None for others."""
    return task.expires_at.ToDatetime(UTC) if task.HasField("expires_at") else None


def pages_folder(task: Task) -> str:
    """Where in the blob store large pages of the task's document go; in memory for zero-log tasks."""
    expires_at = expiry(task)
    if expires_at is None:
        return f"pages/{task.document_id}"
    return memory_blobs.folder(task.organization_id, task.document_id, expires_at) + "/pages"


def originals_folder(task: Task) -> str:
    """Where the original of the task's document goes; in memory for zero-log tasks."""
    expires_at = expiry(task)
    if expires_at is None:
        return f"originals/{task.organization_id}"
    return memory_blobs.folder(task.organization_id, task.document_id, expires_at)


def failure(task_id: str, job_id: str, attempt: int) -> tuple[bytes, str]:
    """A fact, with its message id, by which a task is given up that nobody reported on in a usable way."""
    failed = Failure(code="worker_lost", message="No worker could do this.")
    fact = Fact(task_id=task_id, job_id=job_id, attempt=attempt, last=True, failed=failed)
    return fact.SerializeToString(), f"{task_id}.{attempt}.lost"


def handler(bus: Bus, service: str, do: Do, cancellations: Cancellations) -> Handler:
    """A worker's handler that parses the task and gives it a report; it stops when the task's job is cancelled."""

    async def handle(payload: bytes) -> None:
        task = Task.FromString(payload)
        await cancellations.run(task.job_id, do(task, Report(bus, service, task)))

    return handle


def give_up(bus: Bus, service: str) -> GiveUp:
    """What a worker does with a task that was delivered too often: its job must not wait for it."""

    async def report(payload: bytes, deliveries: int) -> None:
        task = Task.FromString(payload)
        message = f"A worker took this {deliveries} times and never reported."
        await Report(bus, service, task).fail("worker_lost", message)

    return report
