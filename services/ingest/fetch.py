"""Handler of `work.fetch`: gets originals that callers name instead of sending, as uploads are taken in.

What may pass by itself (a server that is busy, a connection that broke) is tried again after pauses. Nothing is kept
between two tries, so that a worker that dies costs one.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from mesh.blobs import Blobs
from mesh.errors import InvalidArgument, TooMuch
from mesh.tasks import Report, originals_folder
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.work.v1.work_pb2 import Task
from services.ingest import upload

PAUSES: Final = (1.0, 4.0, 15.0)
"""Seconds before the second, third and last try."""


class FetchFault(Exception):
    """Why something cannot be fetched."""

    def __init__(self, code: str, message: str, may_pass: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.may_pass = may_pass
        """Another try may do better."""


@dataclass(frozen=True)
class Remote:
    """Something that is being fetched."""

    chunks: AsyncIterator[bytes]
    """Raises FetchFault."""
    filename: str
    size: int | None = None
    """In bytes, as its server says; None when it does not."""


class Opener(Protocol):
    """Gets at what an address names."""

    def __call__(self, address: str, organization_id: str) -> AbstractAsyncContextManager[Remote]:
        """The thing, open within the block. Raises FetchFault."""


class Fetcher:
    """Fetches into the blob store."""

    def __init__(
        self, blobs: Blobs, http: Opener, s3: Opener, seconds: float, pauses: Sequence[float] = PAUSES
    ) -> None:
        """`seconds` is how long one task may take, tries and pauses together."""
        self._blobs = blobs
        self._http = http
        self._s3 = s3
        self._seconds = seconds
        self._pauses = pauses

    async def fetch(self, task: Task, report: Report) -> None:
        """Reports that it has begun, then what was stored, or why nothing was."""
        await report.tell(DocumentFetched(), last=False)
        try:
            async with asyncio.timeout(self._seconds):
                fetched = await self._patiently(task)
        except TimeoutError:
            return await report.fail("fetch_timeout", f"It did not come within {self._seconds:g} seconds.")
        except FetchFault as fault:
            return await report.fail(fault.code, fault.message)
        return await report.tell(fetched)

    async def _patiently(self, task: Task) -> DocumentFetched:
        for pause in self._pauses:
            try:
                return await self._once(task)
            except FetchFault as fault:
                if not fault.may_pass:
                    raise
            await asyncio.sleep(pause)
        return await self._once(task)

    async def _once(self, task: Task) -> DocumentFetched:
        wanted = task.fetch
        opened = self._s3 if wanted.WhichOneof("source") == "s3" else self._http
        async with opened(wanted.s3 or wanted.url, task.organization_id) as remote:
            stored = await self._store(originals_folder(task), remote, wanted.max_bytes)
        return DocumentFetched(
            storage_key=stored.key,
            sha256=stored.sha256,
            size=stored.size,
            mime_type=stored.mime_type,
            filename=upload.display_name(remote.filename),
        )

    async def _store(self, folder: str, remote: Remote, max_bytes: int) -> upload.Stored:
        if (remote.size or 0) > max_bytes:
            raise _too_large(max_bytes)
        try:
            return await upload.store(self._blobs, folder, remote.chunks, max_bytes)
        except TooMuch as error:
            raise _too_large(max_bytes) from error
        except InvalidArgument as error:
            raise FetchFault(error.code, error.message) from error


def _too_large(max_bytes: int) -> FetchFault:
    return FetchFault("fetch_too_large", f"It is larger than {max_bytes / (1 << 20):g} MiB.")
