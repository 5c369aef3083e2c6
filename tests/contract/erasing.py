"""The results service as tests of erasing see it: its clients, its record, and further sweeps beside its own."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
from sqlalchemy.engine import make_url

from cli.processes import die_with_parent
from mesh import client, db, pages
from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import PagemeshError
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from pagemesh.results.v1 import erasures_pb2, results_pb2
from pagemesh.results.v1.erasures_pb2_grpc import ErasureServiceStub
from pagemesh.results.v1.job_pb2 import Document, Job
from pagemesh.results.v1.page_pb2 import Page
from services.auth.settings import AuthSettings
from services.results.hiding import Aftermath
from services.results.service import serve
from services.results.settings import ResultsSettings
from services.results.status import StatusFeed
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.database import SCHEMA
from services.results.sweeping import Sweeping
from tests.contract.recording import Results, inspected
from tests.support.services import Caller, Hands, running

NEVER = 1e6
LARGE = 400_000


@dataclass
class Record:
    """The database, behind the service's back."""

    url: str

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection that sees the service's schema."""
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, options=f"-c search_path={SCHEMA}")

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs a statement and answers its rows, if it has any."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def rows_of(self, document_id: str) -> int:
        """How many rows the document has in all tables but that of tombstones."""
        one = (document_id,)
        return sum(
            self.run(f"SELECT count(*) FROM {table} WHERE {where} = %s", *one)[0][0]
            for table, where in (
                ("documents", "id"),
                *((name, "document_id") for name in ("jobs", "pages", "analyses")),
            )
        )

    def age(self, document_id: str, days: float) -> None:
        """Makes the document so old."""
        self.run(
            "UPDATE documents SET created_at = now() - make_interval(secs => %s) WHERE id = %s",
            days * 86_400,
            document_id,
        )

    def wait_no_longer(self) -> None:
        """Lets what somebody has taken be taken at once, as if five minutes had passed."""
        self.run("UPDATE erasures SET try_at = now()")


class Erasing(Results):
    """Clients of the service, and the record behind it."""

    def __init__(self, channel: Any, hands: Hands, settings: ResultsSettings) -> None:
        super().__init__(channel, hands, Blobs(settings.storage_url))
        self.erasures = ErasureServiceStub(channel)
        self.settings = settings
        self.record = Record(settings.database_url.get_secret_value())

    @asynccontextmanager
    async def sweeping(self, **changed: Any) -> AsyncIterator[Sweeping]:
        """Another replica's sweep, with settings of its own."""
        settings = self.settings.model_copy(update=changed)
        store = Store(db.connect(settings.database_url.get_secret_value(), SCHEMA, 4))
        auth = client.connect(settings.auth_url, settings)
        blobs = Blobs(settings.storage_url)
        aftermath = Aftermath(StatusFeed(self.hands.bus), Stopping(self.hands.bus, store))
        yield Sweeping.build(settings, store, blobs, self.hands.bus, aftermath, auth)
        await auth.close()
        await store.close()

    async def sweep(self, **changed: Any) -> None:
        """Sweeps once."""
        async with self.sweeping(**changed) as sweeping:
            await sweeping.sweeper.sweep()

    async def read_large(self, caller: Caller) -> tuple[Document, Job]:
        """A document with an original of its own and two pages, the second too large for a message."""
        document, job = await self.submit_stored(caller)
        held = await self.hands.next(document.id, "inspect")
        large = Page(number=2, text=os.urandom(LARGE // 2).hex())
        outcomes = [*await self.outcomes(1), await pages.pack(large, self.blobs, f"pages/{document.id}")]
        await held.finish(inspected([False, False], outcomes))
        await self.ended(caller, job.id)
        return document, job

    async def submit_stored(self, caller: Caller, **more: Any) -> tuple[Document, Job]:
        """A document whose original is stored; `more` are fields of the request."""
        document = Document(
            id=str(uuid.uuid4()),
            original_filename="a.pdf",
            file_size=7,
            mime_type="application/pdf",
            sha256=uuid.uuid4().hex * 2,
            storage_key=f"originals/{caller.organization_id}/{uuid.uuid4()}.pdf",
        )
        await self.blobs.put(document.storage_key, b"content")
        request = results_pb2.SubmitJobRequest(document=document, job_id=str(uuid.uuid4()), priority=5, **more)
        answer = await caller.call(self.jobs.SubmitJob, request)
        return answer.document, answer.job

    async def delete(self, caller: Caller, document_id: str, erase: bool = False) -> erasures_pb2.Erasure:
        """Deletes a document."""
        request = results_pb2.DeleteDocumentRequest(document_id=document_id, erase=erase)
        answer: results_pb2.DeleteDocumentResponse = await caller.call(self.documents.DeleteDocument, request)
        return answer.erasure

    async def erasure(self, caller: Caller, thing_id: str) -> erasures_pb2.Erasure:
        """The erasure of a thing."""
        request = erasures_pb2.GetErasureRequest(erasure_id=thing_id)
        answer: erasures_pb2.GetErasureResponse = await caller.call(self.erasures.GetErasure, request)
        return answer.erasure

    async def left(self, document: Document) -> list[str]:
        """Blobs of the document."""
        original = [document.storage_key] if await self.blobs.holds(document.storage_key) else []
        return original + [one.key async for some in self.blobs.below(f"pages/{document.id}") for one in some]

    async def absence(self, caller: Caller, document: Document, job: Job) -> set[str]:
        """How the reads of a document and its job fail."""
        page = results_pb2.ListPagesRequest(document_id=document.id, page=1, per_page=1)
        analysis = results_pb2.SubmitAnalysisRequest(document_id=document.id, job_id=str(uuid.uuid4()), priority=5)
        return {
            await reason(self.document(caller, document.id)),
            await reason(self.job(caller, job.id)),
            await reason(caller.call(self.documents.ListPages, page)),
            await reason(caller.call(self.jobs.SubmitAnalysis, analysis)),
            await reason(self.delete(caller, document.id)),
        }


async def reason(call: Any) -> str:
    """Why the call fails."""
    with pytest.raises(PagemeshError) as caught:
        await call
    return caught.value.code


@asynccontextmanager
async def served(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Erasing]:
    """The running service with workers."""
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Erasing(channel, hands, settings)
        await hands.stop()


async def checked(receipt: str, auth: AuthSettings) -> dict[str, Any]:
    """What a receipt says, as whoever has the published keys and PyJWT checks it."""
    channel = client.connect(auth.listen, auth)
    jwks = (await client.call(TokenServiceStub(channel).GetJwks, GetJwksRequest())).jwks_json
    await channel.close()
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(jwks)["keys"]}
    header = jwt.get_unverified_header(receipt)
    assert "receipt+jwt" == header["typ"]
    claims: dict[str, Any] = jwt.decode(receipt, keys[header["kid"]], algorithms=["EdDSA"], issuer="pagemesh")
    return claims


@contextmanager
def killable(settings: ResultsSettings, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The service as a process of its own that sweeps all the time."""
    environ = {
        **os.environ,
        "PAGEMESH_LISTEN": f"unix:{log.parent}/k.sock",
        "PAGEMESH_AUTH_URL": settings.auth_url,
        "PAGEMESH_DATABASE_URL": settings.database_url.get_secret_value(),
        "PAGEMESH_NATS_URL": settings.nats_url.get_secret_value(),
        "PAGEMESH_SERVICE_SECRET": settings.service_secret.get_secret_value(),
        "PAGEMESH_STORAGE_URL": settings.storage_url,
        "PAGEMESH_SWEEP_SECONDS": "0.05",
    }
    argv = [sys.executable, "-m", "services.results"]
    with log.open("wb") as file:
        process = subprocess.Popen(argv, env=environ, stderr=file, preexec_fn=die_with_parent(signal.SIGTERM))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def orphans(results: Erasing, caller: Caller, erased: str) -> dict[str, str]:
    """Blobs by what they are."""
    kept, _ = await results.submit_stored(caller)
    made = {
        "recorded": kept.storage_key,
        "lost": f"originals/{caller.organization_id}/{uuid.uuid4()}.pdf",
        "of another installation": f"originals/{uuid.uuid4()}/{uuid.uuid4()}.pdf",
        "in no organization": "originals/lost.pdf",
        "late page": f"pages/{erased}/7",
        "page of a document": f"pages/{kept.id}/7",
        "page of an unknown document": f"pages/{uuid.uuid4()}/7",
    }
    for key in made.values():
        await results.blobs.put(key, b"content")
    return made
