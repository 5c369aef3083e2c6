"""The web half of the peer: takes a document, hands it to Celery, and answers polls from Redis."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, HTTPException, UploadFile
from redis.asyncio import Redis

from benchmarks.peers.worker import READY_KEY, celery, document_key

FILES = Path(os.environ["PEER_FILES"])

app = FastAPI()
redis: Redis = Redis.from_url(os.environ["PEER_REDIS_URL"])


@app.get("/ready")
async def ready() -> dict[str, bool]:
    """503 until the Celery worker has said that it takes tasks."""
    if not await redis.exists(READY_KEY):
        raise HTTPException(503, "no worker yet")
    return {"ready": True}


@app.post("/documents", status_code=202)
async def submit(file: UploadFile) -> dict[str, str]:
    """Store the file, queue its extraction, and answer the id to poll."""
    identifier = str(uuid4())
    path = FILES / identifier
    path.write_bytes(await file.read())
    await redis.set(document_key(identifier), json.dumps({"id": identifier, "status": "queued"}))
    # Publishing blocks on a socket: in a thread, so that polls are answered meanwhile.
    await asyncio.to_thread(celery.send_task, "extract", (identifier, str(path)))
    return {"id": identifier}


@app.get("/documents/{identifier}")
async def document(identifier: str) -> dict[str, Any]:
    """Status, and the result once there is one; 404 for an unknown id."""
    stored = await redis.get(document_key(identifier))
    if stored is None:
        raise HTTPException(404, "no such document")
    status: dict[str, Any] = json.loads(stored)
    return status
