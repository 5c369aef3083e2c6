"""One suite against every kind of blob store: a directory, memory, and a real S3."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from obstore import exceptions

from mesh import blobs as blobs_module
from mesh.blobs import PART_BYTES, Blobs, _translated
from mesh.errors import NotFound, PagemeshError, Unavailable
from tests.support.broker import eventually
from tests.support.s3 import S3Server

LARGE = os.urandom(PART_BYTES + 1) + b"x" * PART_BYTES + b"end"


@pytest.fixture(params=["file", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """An empty store of each kind in turn."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"{server.url}/{uuid4()}"
    else:
        url = {"file": f"file://{tmp_path}/blobs", "memory": "memory://"}[request.param]
    return Blobs(url)


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    """What `stream` yields, as one."""
    return b"".join([piece async for piece in blobs.stream(key, start, end)])


@pytest.mark.parametrize("content", [b"", b"a", LARGE], ids=["empty", "small", "in parts"])
async def test_what_was_put_is_there(blobs: Blobs, content: bytes) -> None:
    """A blob of any size comes back whole, by `get` and by `stream`."""
    await blobs.put("a/b", content)
    assert content == await blobs.get("a/b")
    assert content == await read(blobs, "a/b")


async def test_a_later_put_replaces(blobs: Blobs) -> None:
    """The last one counts."""
    await blobs.put("key", b"first and long")
    await blobs.put("key", b"second")
    assert b"second" == await blobs.get("key")


async def test_a_writer_joins_its_pieces(blobs: Blobs) -> None:
    """Pieces of odd sizes make one blob, which is not there before the block has ended."""
    async with blobs.writer("pieces") as writer:
        for start in range(0, len(LARGE), 1_500_001):
            await writer.write(LARGE[start : start + 1_500_001])
        with pytest.raises(NotFound):
            await blobs.get("pieces")
    assert LARGE == await blobs.get("pieces")


class BrokenOff(Exception):
    """What a test raises inside a writer's block."""


@pytest.mark.parametrize("content", [b"few", LARGE], ids=["small", "in parts"])
async def test_a_writer_that_is_broken_off_leaves_nothing(blobs: Blobs, content: bytes) -> None:
    """The error is the caller's own, and the key stays free."""

    async def break_off() -> None:
        async with blobs.writer("broken/off") as writer:
            await writer.write(content)
            raise BrokenOff

    with pytest.raises(BrokenOff):
        await break_off()
    with pytest.raises(NotFound):
        await blobs.get("broken/off")


async def test_a_directory_keeps_no_file_of_a_broken_off_writer(tmp_path: Path) -> None:
    """Not even a temporary one, once the upload is forgotten."""
    blobs = Blobs(f"file://{tmp_path}/blobs")

    async def break_off() -> None:
        async with blobs.writer("broken/off") as writer:
            await writer.write(LARGE)
            raise BrokenOff

    with pytest.raises(BrokenOff):
        await break_off()
    assert [] == _files(tmp_path)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_ranges_are_those_of_slices(blobs: Blobs) -> None:
    """`stream` yields `content[start:end]`, in pieces of at most 1 MiB."""
    await blobs.put("range", LARGE)
    seam = (PART_BYTES - 1, PART_BYTES + 1)
    for start, end in ((0, 0), (0, 1), (3, 7), seam, (PART_BYTES, None), (PART_BYTES, 1 << 40), (1 << 40, None)):
        pieces = [piece async for piece in blobs.stream("range", start, end)]
        assert LARGE[start:end] == b"".join(pieces)
        assert all(0 < len(piece) <= 1 << 20 for piece in pieces)


async def test_what_is_not_there_is_not_found(blobs: Blobs) -> None:
    """Every way of reading says BLOB_MISSING, and the public code says it too."""
    for reading in (blobs.get("no"), read(blobs, "no"), blobs.local_path("no")):
        with pytest.raises(NotFound) as caught:
            await reading
        assert "blob_missing" == caught.value.code


async def test_deleting_twice_is_no_error(blobs: Blobs) -> None:
    """After it the blob is gone."""
    await blobs.put("key", b"content")
    await blobs.delete("key")
    await blobs.delete("key")
    with pytest.raises(NotFound):
        await blobs.get("key")


async def keys(blobs: Blobs, folder: str) -> list[str]:
    """What `below` tells, in order."""
    return sorted([one.key async for some in blobs.below(folder) for one in some])


async def test_what_is_below_a_folder(blobs: Blobs) -> None:
    """Its blobs at any depth, each with the time of its change, and nobody else's."""
    began = datetime.now(UTC) - timedelta(seconds=2)  # stores count whole seconds
    for key in ("pages/a/1", "pages/a/2", "pages/ab/1", "pages/a/b/3"):
        await blobs.put(key, b"content")
    assert ["pages/a/1", "pages/a/2", "pages/a/b/3"] == await keys(blobs, "pages/a")
    assert [] == await keys(blobs, "pages/none")
    times = [one.modified async for some in blobs.below("pages") for one in some]
    assert (4, True) == (len(times), all(began <= each <= datetime.now(UTC) for each in times))


async def test_many_are_below_a_folder(blobs: Blobs) -> None:
    """More than go into one answer, each once."""
    made = sorted(f"many/{number}" for number in range(1_100))
    for start in range(0, len(made), 100):
        await asyncio.gather(*(blobs.put(key, b"") for key in made[start : start + 100]))
    assert made == await keys(blobs, "many")


async def test_what_is_held(blobs: Blobs) -> None:
    """A blob is held until it is deleted; a folder never."""
    await blobs.put("folder/key", b"content")
    held = [await blobs.holds(key) for key in ("folder/key", "folder", "no")]
    await blobs.delete("folder/key")
    assert ([True, False, False], False) == (held, await blobs.holds("folder/key"))


async def test_a_directory_tells_unfinished_files_too(tmp_path: Path) -> None:
    """What a killed upload left there can be found, and removed, like a blob."""
    blobs = Blobs(f"file://{tmp_path}/blobs")
    left = tmp_path / "blobs" / "originals" / "a.pdf#1"
    left.parent.mkdir()
    left.write_bytes(b"half")
    assert ["originals/a.pdf#1"] == await keys(blobs, "originals")
    await blobs.delete("originals/a.pdf#1")
    assert not left.exists()


async def test_nothing_beyond_the_store_is_listed_or_deleted(tmp_path: Path) -> None:
    """A key leads nowhere else."""
    blobs = Blobs(f"file://{tmp_path}/blobs")
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(NotFound):
        await keys(blobs, "..")
    await blobs.delete("../secret")
    assert (tmp_path / "secret").exists()


async def test_a_local_path_holds_the_content(blobs: Blobs) -> None:
    """Asked for again, or by many at once, it is one file."""
    await blobs.put("key", LARGE)
    paths = await asyncio.gather(*(blobs.local_path("key") for _ in range(4)))
    again = await blobs.local_path("key")
    assert ({again}, LARGE) == (set(paths), again.read_bytes())


async def test_a_store_that_is_there_passes_its_check(blobs: Blobs) -> None:
    """An empty store is well."""
    await blobs.check()


async def test_old_copies_are_forgotten() -> None:
    """A few copies are kept, the latest used among them, and none outlives its owner."""
    blobs = Blobs("memory://")
    first, *others = [await _copied(blobs, f"key-{number}") for number in range(64)]
    await blobs.local_path("key-0")
    newest = await _copied(blobs, "one more")
    assert [True, False, True] == [path.exists() for path in (first, others[0], newest)]
    assert 64 == len(list(newest.parent.iterdir()))
    del blobs
    assert not newest.parent.exists()


async def _copied(blobs: Blobs, key: str) -> Path:
    await blobs.put(key, key.encode())
    return await blobs.local_path(key)


async def test_idle_copies_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after they were used last; one that is used again stays, and one that is gone is made anew."""
    monkeypatch.setattr(blobs_module, "_COPY_SECONDS", 0.3)
    blobs = Blobs("memory://")
    used, idle = [await _copied(blobs, key) for key in ("used", "idle")]

    async def is_forgotten() -> bool:
        assert used == await blobs.local_path("used")
        return not idle.exists()

    await eventually(is_forgotten)
    assert (True, b"idle") == (used.exists(), (await blobs.local_path("idle")).read_bytes())


async def test_a_copy_that_fails_leaves_no_file() -> None:
    """Nothing stays of a blob that could not be copied."""
    blobs = Blobs("memory://")
    good = await _copied(blobs, "good")
    with pytest.raises(NotFound):
        await blobs.local_path("no")
    assert [good] == list(good.parent.iterdir())


async def test_wrong_keys_are_unavailable(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 refuses, and what is told names the dependency, no endpoint and no key."""
    for name, value in {**s3_server.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}.items():
        monkeypatch.setenv(name, value)
    blobs = Blobs(s3_server.url)
    for doing in (blobs.get("key"), blobs.put("key", b""), read(blobs, "key"), blobs.delete("key"), blobs.check()):
        with pytest.raises(Unavailable) as caught:
            await doing
        assert ("The blob store is away.", {"dependency": "storage"}) == (caught.value.message, caught.value.details)


async def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    """A file stands where a folder must be."""
    blobs = Blobs(f"file://{tmp_path}/blobs")
    (tmp_path / "blobs" / "originals").write_bytes(b"")
    with pytest.raises(Unavailable):
        await blobs.put("originals/key", b"content")


ALL_ERRORS = sorted(
    {kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", [*ALL_ERRORS, OSError, PermissionError, TimeoutError, FileNotFoundError])
def test_every_error_of_the_library_is_translated(kind: type[Exception]) -> None:
    """Nothing of obstore gets out; what is missing is told apart from what is away."""
    with pytest.raises(PagemeshError) as caught, _translated():
        raise kind("inside: /secret/path")
    missing = kind in (FileNotFoundError, exceptions.NotFoundError)
    assert (NotFound if missing else Unavailable) is type(caught.value)
    assert "secret" not in str(caught.value)


def test_uris_name_the_blob() -> None:
    """For people and their tools."""
    assert ["s3://bucket/prefix/a/b", "s3://bucket/a/b"] == [
        Blobs(url).uri("a/b") for url in ("s3://bucket/prefix", "s3://bucket/")
    ]
