"""Blobs in the broker's memory, and files in this machine's."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mesh.bus import Bus
from mesh.errors import NotFound, Unavailable
from mesh.memory_blobs import CHUNK_BYTES, MemoryBlobs, folder, is_ephemeral
from mesh.memory_files import memory_file, path_of, readable
from mesh.settings import MeshSettings
from mesh.storage import Storage
from mesh.streams import EPHEMERAL

LARGE = os.urandom(2 * CHUNK_BYTES + 17)


def key(name: str = "original.pdf", seconds: float = 600) -> str:
    """A key of its own."""
    return f"{folder(str(uuid.uuid4()), str(uuid.uuid4()), datetime.now(UTC) + timedelta(seconds=seconds))}/{name}"


@pytest.fixture
def storage(bus: Bus, tmp_path: Path) -> Storage:
    """Both kinds of blobs."""
    return Storage(f"file://{tmp_path}/blobs", lambda: bus)


def files_below(directory: Path) -> list[Path]:
    """Every file."""
    return [path for path in directory.rglob("*") if path.is_file()]


async def held(bus: Bus, one: str) -> int:
    """Messages that the broker has of a blob."""
    subject = f"{one.replace('/', '.')}.>"
    return sum(((await bus.jetstream.stream_info(EPHEMERAL, subjects_filter=subject)).state.subjects or {}).values())


@pytest.mark.parametrize("content", [b"", b"x", LARGE[:CHUNK_BYTES], LARGE])
async def test_what_was_put_is_there_whole(storage: Storage, tmp_path: Path, content: bytes) -> None:
    """Read whole, in parts and as a file; nothing of it is on the disk."""
    one = key()
    await storage.put(one, content)
    assert content == await storage.get(one)
    middle = CHUNK_BYTES + 5
    for start, end in ((0, 3), (3, middle), (middle, None), (middle, middle)):
        assert content[start:end] == b"".join([piece async for piece in storage.stream(one, start, end)])
    async with storage.opened(one) as path:
        assert content == path.read_bytes()
    assert [] == files_below(tmp_path)
    assert storage.uri(one).startswith("memory:")


async def test_ordinary_keys_lead_to_the_store(storage: Storage, tmp_path: Path) -> None:
    """One storage serves both."""
    await storage.put("originals/o/a.pdf", b"there")
    assert b"there" == await storage.get("originals/o/a.pdf")
    async with storage.opened("originals/o/a.pdf") as path:
        assert tmp_path in path.parents
    await storage.delete("originals/o/a.pdf")
    assert not is_ephemeral("originals/o/a.pdf")


async def test_an_upload_that_is_broken_off_leaves_nothing(storage: Storage, bus: Bus) -> None:
    """Neither a blob nor the chunks that were sent."""

    async def broken_off() -> None:
        async with storage.writer(one) as writer:
            await writer.write(LARGE)
            raise ValueError("broken")

    one = key()
    with pytest.raises(ValueError, match="broken"):
        await broken_off()
    assert 0 == await held(bus, one)
    with pytest.raises(NotFound):
        await storage.get(one)


async def test_a_blob_ends_with_its_key(storage: Storage, bus: Bus) -> None:
    """By itself, and nothing can be written when its time is over; deleting is before that, and may be repeated."""
    brief, deleted = key(seconds=1), key()
    for one in (brief, deleted):
        await storage.put(one, b"x")
    for _ in range(2):
        await storage.delete(deleted)
    assert 0 == await held(bus, deleted)
    async with asyncio.timeout(10):
        while await held(bus, brief):  # noqa: ASYNC110  # the broker forgets
            await asyncio.sleep(0.1)
    with pytest.raises(NotFound):
        await storage.get(brief)
    with pytest.raises(NotFound) as caught:
        await storage.put(key(seconds=-1), b"x")
    assert "EXPIRED" == caught.value.reason


@pytest.mark.parametrize("name", ["a b.pdf", "*", ">", "../../x", "", None])
async def test_keys_lead_nowhere_else(storage: Storage, name: str | None) -> None:
    """Nor is a wildcard one."""
    bad = "ephemeral/a/b/1/c.pdf" if name is None else key(name)
    for asking in (storage.get(bad), storage.delete(bad), storage.put(bad, b"x")):
        with pytest.raises(NotFound):
            await asking


async def test_readers_share_a_file_and_the_last_closes_it(storage: Storage) -> None:
    """It is fetched once for all who read at a time."""
    one = key()
    await storage.put(one, LARGE)
    async with storage.opened(one) as first:
        async with storage.opened(one) as second:
            assert first == second
        assert LARGE == first.read_bytes()
    assert not first.exists() or LARGE != first.read_bytes()


async def test_who_waits_for_a_file_learns_that_it_is_not_there(storage: Storage) -> None:
    """The one who fetches, and the others."""

    async def read() -> None:
        async with storage.opened(one):
            raise AssertionError

    one = key()
    errors = await asyncio.gather(*(read() for _ in range(3)), return_exceptions=True)
    assert [NotFound] * 3 == [type(error) for error in errors]


async def test_full_memory_refuses(settings: MeshSettings, storage: Storage) -> None:
    """With a code of its own, and what was written of it is gone: the next fits again."""
    small = await Bus.connect(settings.model_copy(update={"zero_log_memory_mb": 8}))
    try:
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await storage.put(key(), bytes(9 << 20))
            assert "ZERO_LOG_FULL" == caught.value.reason
    finally:
        await small.close()
        await (await Bus.connect(settings)).close()


async def test_without_a_connection_it_is_away() -> None:
    """Nothing is read or written before the broker is there."""

    def nobody() -> Bus:
        raise Unavailable("away")

    blobs = MemoryBlobs(nobody)
    for asking in (blobs.get(key()), blobs.delete(key())):
        with pytest.raises(Unavailable):
            await asking


def test_another_process_reads_a_file_in_memory() -> None:
    """By its path; here it is given as bytes to libraries that would look for its name."""
    with memory_file() as file:
        file.write(b"content")
        path = path_of(file)
        command = (sys.executable, "-c", f"print(open({str(path)!r}).read())")
        assert b"content\n" == subprocess.run(command, capture_output=True, check=True).stdout
        assert b"content" == readable(path)
    assert Path("/tmp/a.pdf") == readable("/tmp/a.pdf")  # nothing is there


@pytest.fixture(autouse=True)
async def _emptied(bus: Bus) -> AsyncIterator[None]:
    yield
    await bus.jetstream.purge_stream(EPHEMERAL)
