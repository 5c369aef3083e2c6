"""Blobs in the broker's memory, of which nothing reaches a disk; see docs/adr/0028.

A key says everything: `ephemeral/<organization>/<root>/<expiry>/<name>`, its expiry in seconds of Unix time. A blob is
a message for each chunk and one that tells its size, which comes last, so that a blob is there whole or not at all.
Every message ends at the key's expiry, and all of a root are erased together by their subject.
"""

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from mesh.blobs import Writer
from mesh.bus import Bus
from mesh.entries import full, is_full
from mesh.errors import NotFound, Unavailable
from mesh.memory_files import memory_file, path_of
from mesh.streams import EPHEMERAL

CHUNK_BYTES = 512 << 10
_PREFIX = "ephemeral/"
_KEY = re.compile(
    r"ephemeral/[0-9a-f-]{36}/[0-9a-f-]{36}/(?P<expiry>\d{1,12})(/[0-9A-Za-z-]{1,64}){1,2}(\.[a-z]{3,4})?"
)
_SECONDS = 5.0
_AT_ONCE = 4
_ERRORS = (NatsError, JetStreamError, TimeoutError, OSError)


def is_ephemeral(key: str) -> bool:
    """Whether the key is of a blob in memory."""
    return key.startswith(_PREFIX)


def folder(organization_id: str, root: str, expires_at: datetime) -> str:
    """Where blobs of a root are that is forgotten then."""
    return f"{_PREFIX}{organization_id}/{root}/{math.ceil(expires_at.timestamp())}"


def seconds_until(moment: datetime) -> int:
    """Whole seconds for which a message is to be kept, at least one, as the broker does not take less."""
    return max(1, math.ceil(moment.timestamp() - time.time()))


class MemoryWriter:
    """Sends a blob piece by piece."""

    def __init__(self, bus: Bus, key: str) -> None:
        self._bus = bus
        self._subject, self._expiry = _subject(key), _expiry(key)
        self._buffer = bytearray()
        self._chunks = 0
        self._size = 0

    async def write(self, piece: bytes) -> None:
        """Adds a piece. Raises Unavailable, with ZERO_LOG_FULL when there is no memory left."""
        self._size += len(piece)
        self._buffer += piece
        while len(self._buffer) >= CHUNK_BYTES:
            await self._send(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]

    async def finish(self) -> None:
        """Makes the blob appear."""
        if self._buffer:
            await self._send(bytes(self._buffer))
        await self._put("size", b"%d" % self._size)

    def forget(self) -> None:
        """Lets go of what was written."""
        self._buffer.clear()

    async def _send(self, chunk: bytes) -> None:
        await self._put(str(self._chunks), chunk)
        self._chunks += 1

    async def _put(self, name: str, content: bytes) -> None:
        seconds = math.ceil(self._expiry - time.time())
        if seconds < 1:
            raise NotFound("Its time was over before all of it was here.", "EXPIRED")
        await self._bus.check()
        try:
            await self._bus.jetstream.publish(
                f"{self._subject}.{name}", content, timeout=_SECONDS, stream=EPHEMERAL, msg_ttl=seconds
            )
        except _ERRORS as error:
            raise (full() if is_full(error) else _away()) from error


@dataclass
class _Open:
    """A file in memory that somebody reads."""

    file: asyncio.Future[IO[bytes]]
    closing: AsyncExitStack
    readers: int = 0


class MemoryBlobs:
    """The blobs of the broker's memory."""

    def __init__(self, bus: Callable[[], Bus]) -> None:
        """`bus` gives the connection, or raises Unavailable while there is none."""
        self._bus = bus
        self._open: dict[str, _Open] = {}

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[Writer]:
        """A writer whose blob appears when the block ends well; otherwise nothing of it stays."""
        writer = MemoryWriter(self._bus(), key)
        try:
            yield writer
            await writer.finish()
        except BaseException:
            with suppress(Unavailable):  # it is forgotten by itself
                await asyncio.shield(self.delete(key))
            raise
        finally:
            writer.forget()

    async def get(self, key: str) -> bytes:
        """A whole blob. Raises NotFound, Unavailable."""
        return b"".join([piece async for piece in self.stream(key)])

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` to `end` (exclusive), a chunk at a time. Raises NotFound, Unavailable."""
        subject = _subject(key)
        size = int(await self._message(f"{subject}.size"))
        stop = size if end is None else min(end, size)
        first, last = start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)
        for number in range(first, last, _AT_ONCE):
            some = range(number, min(number + _AT_ONCE, last))
            chunks = await asyncio.gather(*(self._message(f"{subject}.{one}") for one in some))
            for one, chunk in zip(some, chunks, strict=True):
                offset = one * CHUNK_BYTES
                yield chunk[max(0, start - offset) : stop - offset]

    async def delete(self, key: str) -> None:
        """Removes a blob; one that is not there is no error. Raises Unavailable."""
        await erase(self._bus(), f"{_subject(key)}.>")

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """A file in memory with the blob's content, good within the block, shared by all who read it at a time.

        Raises NotFound, Unavailable.
        """
        entry, is_first = self._open.get(key), False
        if entry is None:
            entry, is_first = _Open(asyncio.get_running_loop().create_future(), AsyncExitStack()), True
            self._open[key] = entry
        entry.readers += 1
        try:
            if is_first:
                await self._fill(key, entry)
            yield path_of(await asyncio.shield(entry.file))
        finally:
            entry.readers -= 1
            if not entry.readers:
                self._forget(key, entry)
                await entry.closing.aclose()

    def _forget(self, key: str, entry: _Open) -> None:
        if self._open.get(key) is entry:
            del self._open[key]

    async def _fill(self, key: str, entry: _Open) -> None:
        try:
            file = entry.closing.enter_context(memory_file())
            async for piece in self.stream(key):
                file.write(piece)
        except BaseException as error:
            self._forget(key, entry)
            entry.file.set_exception(error if isinstance(error, Exception) else Unavailable("Reading was broken off."))
            entry.file.exception()  # told to those who wait; when there are none, to nobody
            raise
        entry.file.set_result(file)

    async def _message(self, subject: str) -> bytes:
        bus = self._bus()
        await bus.check()
        try:
            message = await bus.jetstream.get_last_msg(EPHEMERAL, subject, direct=True)
        except NotFoundError as error:
            raise NotFound("The original is no longer stored.", "BLOB_MISSING") from error
        except _ERRORS as error:
            raise _away() from error
        return message.data or b""


async def erase(bus: Bus, subject: str, stream: str = EPHEMERAL) -> int:
    """Erases what the stream holds under the subject, which may have wildcards; how many messages it was.

    Raises Unavailable.
    """
    await bus.check()
    try:
        request = json.dumps({"filter": subject}).encode()
        answer = await bus.connection.request(f"$JS.API.STREAM.PURGE.{stream}", request, timeout=_SECONDS)
        return int(json.loads(answer.data)["purged"])
    except (*_ERRORS, ValueError, KeyError) as error:
        raise _away() from error


def _away() -> Unavailable:
    return Unavailable("The message broker is away.", dependency="nats")


def _subject(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise NotFound("The original is no longer stored.", "BLOB_MISSING")
    return key.replace("/", ".")


def _expiry(key: str) -> int:
    match = _KEY.fullmatch(key)
    assert match
    return int(match["expiry"])
