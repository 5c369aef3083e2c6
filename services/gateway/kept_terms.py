"""How answers about something are remembered: as that is kept, whatever the request says."""

from collections.abc import Awaitable
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.types import Scope

from mesh import client
from mesh.errors import Forbidden, NotFound
from pagemesh.results.v1 import results_pb2, runs_pb2
from services.gateway.neighbours import Neighbours
from services.gateway.zero_log import ZeroLog, ZeroLogTerms, mark


class _Kept(Protocol):
    @property
    def zero_log(self) -> bool: ...
    @property
    def expires_at(self) -> Timestamp: ...


class KeptTerms:
    """Asks how things are kept. Every method raises Unavailable."""

    def __init__(self, neighbours: Neighbours, terms: ZeroLogTerms) -> None:
        self._neighbours = neighbours
        self._terms = terms

    async def of_document(self, scope: Scope, document_id: str) -> ZeroLog | None:
        """What holds for an answer about a document."""
        return await self._of(scope, self._document(document_id))

    async def of_job(self, scope: Scope, job_id: str) -> ZeroLog | None:
        """What holds for an answer about a job."""
        return await self._of(scope, self._job(job_id))

    async def of_run(self, scope: Scope, run_id: str) -> ZeroLog | None:
        """What holds for an answer about a run."""
        return await self._of(scope, self._run(run_id))

    async def _of(self, scope: Scope, asking: Awaitable[_Kept]) -> ZeroLog | None:
        try:
            found = await asking
        except Forbidden:  # a caller that may not read cannot tell, and what may be secret is remembered as if it were
            return self._terms.unasked()
        except NotFound:
            return None
        if not found.zero_log:
            return None
        mark(scope)
        kept = self._terms.unasked()
        kept.until(found.expires_at)
        return kept

    async def _document(self, document_id: str) -> _Kept:
        request = results_pb2.GetDocumentRequest(document_id=document_id)
        return (await client.call(self._neighbours.documents.GetDocument, request)).document

    async def _job(self, job_id: str) -> _Kept:
        return (await client.call(self._neighbours.jobs.GetJob, results_pb2.GetJobRequest(job_id=job_id))).job

    async def _run(self, run_id: str) -> _Kept:
        return (await client.call(self._neighbours.runs.GetRun, runs_pb2.GetRunRequest(run_id=run_id))).run
