"""Blobs where their keys say: in the blob store, or, of zero-log work, in the broker's memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mesh.blobs import Blobs, Writer
from mesh.bus import Bus
from mesh.memory_blobs import MemoryBlobs, is_ephemeral


class Storage(Blobs):
    """The blob store, and the memory beside it."""

    def __init__(self, url: str, bus: Callable[[], Bus]) -> None:
        """`bus` gives the connection to the broker, or raises Unavailable while there is none."""
        super().__init__(url)
        self._memory = MemoryBlobs(bus)

    def uri(self, key: str) -> str:
        """See Blobs; of what is in memory no more than that it is."""
        return f"memory:{key}" if is_ephemeral(key) else super().uri(key)

    async def put(self, key: str, content: bytes) -> None:
        """See Blobs."""
        async with self.writer(key) as writer:
            await writer.write(content)

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[Writer]:
        """See Blobs."""
        async with self._memory.writer(key) if is_ephemeral(key) else super().writer(key) as writer:
            yield writer

    async def get(self, key: str) -> bytes:
        """See Blobs."""
        return await (self._memory.get(key) if is_ephemeral(key) else super().get(key))

    def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See Blobs."""
        return self._memory.stream(key, start, end) if is_ephemeral(key) else super().stream(key, start, end)

    async def delete(self, key: str) -> None:
        """See Blobs."""
        await (self._memory.delete(key) if is_ephemeral(key) else super().delete(key))

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """See Blobs."""
        async with self._memory.opened(key) if is_ephemeral(key) else super().opened(key) as path:
            yield path
