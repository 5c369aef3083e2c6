"""Blobs by key in a directory, S3, GCS or Azure, whichever the URL names.

`file:///path`, `memory://`, `s3://bucket/prefix`, `gs://…` or `az://…`. Clouds are configured by their usual
environment variables; for S3 and its like: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, for a server
of one's own `AWS_ENDPOINT_URL`, and for one without TLS `AWS_ALLOW_HTTP=true`.

A blob is durable when `put` or a writer's end returns: on a directory it is synced, file and folder, since a rename
alone may be lost with the machine. An upload that was broken off is never visible; on S3 its parts stay until the
bucket's rule for incomplete multipart uploads removes them.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from mesh.errors import NotFound, Unavailable
from mesh.folders import Folders

PART_BYTES = 8 << 20
_COPIES_KEPT = 64
_COPY_SECONDS = 600.0
_CLOCK_SECONDS = 0.01
_LISTED_AT_ONCE = 500


@dataclass(frozen=True)
class Listed:
    """A blob, as a list of them tells it."""

    key: str
    modified: datetime


class Writer(Protocol):
    """Takes a blob piece by piece."""

    async def write(self, piece: bytes) -> None:
        """Adds a piece. Raises Unavailable."""


class BlobWriter:
    """Collects a blob piece by piece; large ones go out in parts."""

    def __init__(self, store: ObjectStore, key: str, put: Callable[[str, bytes], Awaitable[None]]) -> None:
        self._store = store
        self._key = key
        self._put = put
        self._buffer = bytearray()
        self._upload: obstore.AsyncWritableFile | None = None

    async def write(self, piece: bytes) -> None:
        """Adds a piece. Raises Unavailable."""
        self._buffer += piece
        if len(self._buffer) >= PART_BYTES:
            if self._upload is None:
                self._upload = obstore.open_writer_async(self._store, self._key, buffer_size=PART_BYTES)
            await self._upload.write(bytes(self._buffer))
            self._buffer.clear()

    async def finish(self) -> bool:
        """Makes the blob appear whole; whether it went out in parts."""
        upload = self._upload
        if upload is None:
            await self._put(self._key, bytes(self._buffer))
        else:
            await upload.write(bytes(self._buffer))
            await upload.close()
        self.forget()
        return upload is not None

    def forget(self) -> None:
        """Lets go of what was written; an upload that did not finish takes its parts with it."""
        self._upload = None
        self._buffer.clear()


class Blobs:
    """One blob store."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._root = Path(urlparse(url).path) if url.startswith("file://") else None
        self._folders = Folders(self._root) if self._root else None
        self._store = _open(url, self._root)
        self._copies: OrderedDict[str, Path] = OrderedDict()
        self._used_at: dict[str, float] = {}
        self._directory: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether blobs are files of this machine, so that `local_path` costs nothing."""
        return self._root is not None

    def uri(self, key: str) -> str:
        """Where the blob is, for people and their tools."""
        return f"{self._url.rstrip('/')}/{key}"

    async def put(self, key: str, content: bytes) -> None:
        """Stores a blob. Raises Unavailable."""
        async with self.writer(key) as writer:
            await writer.write(content)

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[Writer]:
        """A writer whose blob appears, durably, when the block ends well, and not at all otherwise."""
        writer = BlobWriter(self._store, key, self._put)
        try:
            with _translated():
                yield writer
                in_parts = await writer.finish()
                if in_parts and self._folders:
                    await asyncio.to_thread(self._folders.sync, key)
        finally:
            writer.forget()  # an error's traceback would keep it

    async def _put(self, key: str, content: bytes) -> None:
        if self._folders:
            await asyncio.to_thread(self._folders.write, key, content)
        else:
            await obstore.put_async(self._store, key, content)

    async def get(self, key: str) -> bytes:
        """A whole blob. Raises NotFound, Unavailable."""
        with _translated():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive), in pieces of at most 1 MiB. Raises NotFound, Unavailable."""
        with _translated():
            size = (await obstore.head_async(self._store, key))["size"]
            stop = size if end is None else min(end, size)
            for offset in range(start, stop, 1 << 20):
                upto = min(offset + (1 << 20), stop)
                yield bytes(await obstore.get_range_async(self._store, key, start=offset, end=upto))

    async def delete(self, key: str) -> None:
        """Removes a blob, durably; one that is not there is no error. Raises Unavailable."""
        try:
            with _translated():
                if self._folders:
                    await asyncio.to_thread(self._folders.remove, _checked(key))
                else:
                    await obstore.delete_async(self._store, key)
        except NotFound:
            return

    async def holds(self, key: str) -> bool:
        """Whether there is such a blob. Raises Unavailable."""
        try:
            with _translated():
                await obstore.head_async(self._store, key)
        except NotFound:
            return False
        return True

    async def below(self, folder: str) -> AsyncIterator[Sequence[Listed]]:
        """Everything below a folder, some hundreds at a time and in no order, leftovers of broken uploads included.

        Raises Unavailable.
        """
        with _translated():
            if self._folders:
                files = self._folders.files(_checked(folder))
                while some := await asyncio.to_thread(lambda: tuple(islice(files, _LISTED_AT_ONCE))):
                    yield [Listed(*file) for file in some]
            else:
                async for metas in obstore.list(self._store, folder, chunk_size=_LISTED_AT_ONCE):
                    yield [Listed(meta["path"], meta["last_modified"]) for meta in metas]

    async def local_path(self, key: str) -> Path:
        """A file with the blob's content, for readers that need one: the blob itself on a directory, else a copy.

        The last few copies are kept for some minutes, since the pages of one document are read by many tasks; no
        longer, since the document may be erased meanwhile. Raises NotFound, Unavailable.
        """
        if self._root is not None:
            path = self._root / _checked(key)
            if not path.is_file():  # on the loop: a thread would take longer than the look
                raise NotFound("The original is no longer stored.", "BLOB_MISSING")
            return path
        if key not in self._copies:
            copy = await self._copy(key)
            if self._copies.setdefault(key, copy) != copy:  # somebody else was faster
                copy.unlink()
            self._forget_old_copies()
        self._copies.move_to_end(key)
        if key not in self._used_at:
            self._look_later(key, _COPY_SECONDS)
        self._used_at[key] = time.monotonic()
        return self._copies[key]

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """A file with the blob's content, good within the block. Raises NotFound, Unavailable."""
        yield await self.local_path(key)

    async def check(self) -> None:
        """Raises Unavailable while the store is away."""
        try:
            await self.get("readiness-probe")
        except NotFound:
            return

    async def _copy(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        handle, path = tempfile.mkstemp(prefix=f"{name[:16]}-", dir=self._copies_directory())
        try:
            with os.fdopen(handle, "wb") as file:
                async for piece in self.stream(key):
                    await asyncio.to_thread(file.write, piece)
        except BaseException:
            os.unlink(path)
            raise
        return Path(path)

    def _copies_directory(self) -> str:
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="pagemesh-blobs-")
            weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        return self._directory

    def _forget_old_copies(self) -> None:
        while len(self._copies) > _COPIES_KEPT:
            self._forget(next(iter(self._copies)))

    def _forget(self, key: str) -> None:
        self._used_at.pop(key, None)
        self._copies.pop(key).unlink(missing_ok=True)  # a reader that has it open keeps it

    def _look_later(self, key: str, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, _forget_if_idle, weakref.ref(self), key)

    def _forget_if_idle(self, key: str) -> None:
        if key not in self._used_at:
            return
        left = self._used_at[key] + _COPY_SECONDS - time.monotonic()
        if left > _CLOCK_SECONDS:
            self._look_later(key, left)
        else:
            self._forget(key)


def _forget_if_idle(blobs: "weakref.ref[Blobs]", key: str) -> None:
    """Called later; a store that nobody has any more takes its copies with it."""
    if (store := blobs()) is not None:
        store._forget_if_idle(key)


def _open(url: str, root: Path | None) -> ObjectStore:
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
        return LocalStore(prefix=root)
    if url.startswith("memory://"):
        return MemoryStore()
    return from_url(url)


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the store's errors into ours."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise NotFound("The original is no longer stored.", "BLOB_MISSING") from error
    except (BaseError, OSError) as error:
        raise Unavailable("The blob store is away.", dependency="storage") from error


def _checked(key: str) -> str:
    """The key, which must not lead out of the store. Raises NotFound."""
    if key.startswith("/") or ".." in key.split("/"):
        raise NotFound("The original is no longer stored.", "BLOB_MISSING")
    return key
