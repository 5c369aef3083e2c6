"""The Celery half of the peer: reads a PDF with pdfium and leaves the outcome in Redis."""

import json
import os
from typing import Any

import pypdfium2
from celery import Celery
from celery.signals import worker_ready
from redis import Redis

READY_KEY = "worker:ready"
REDIS_URL = os.environ["PEER_REDIS_URL"]

celery = Celery("peer", broker=REDIS_URL)
celery.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_serializer="json",
    broker_connection_retry_on_startup=True,
)
redis: Redis = Redis.from_url(REDIS_URL)


def document_key(identifier: str) -> str:
    """Where the status of a document lives in Redis."""
    return f"document:{identifier}"


def read(path: str) -> dict[str, Any]:
    """`page_count` and the `text` of all pages. Raises PdfiumError when it is no readable PDF."""
    with pypdfium2.PdfDocument(path) as pdf:
        texts = [page.get_textpage().get_text_range() for page in pdf]
        return {"page_count": len(texts), "text": "\f".join(texts)}


def outcome(path: str) -> dict[str, Any]:
    """The status fields that follow from reading the file: completed with a result, or failed with the reason."""
    try:
        return {"status": "completed", "result": read(path)}
    except pypdfium2.PdfiumError as error:
        return {"status": "failed", "error": str(error)}


def extract(identifier: str, path: str) -> None:
    """Task: read one stored document and record how it went."""
    redis.set(document_key(identifier), json.dumps({"id": identifier, **outcome(path)}))


def mark_ready(**_: object) -> None:
    """Tell the web half that tasks are taken."""
    redis.set(READY_KEY, 1)


celery.task(extract, name="extract")
worker_ready.connect(mark_ready)
