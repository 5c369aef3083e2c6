"""The worker that fetches originals: a real broker, a real S3, and a web server that does everything wrong."""

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import from_url

from mesh import memory_blobs
from mesh.addresses import Allowed
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.outgoing import outgoing_client
from mesh.storage import Storage
from mesh.streams import ephemeral_fact_subject
from mesh.tasks import give_up, handler
from mesh.worker import Worker, WorkerSpec
from pagemesh.ingest.v1.fetch_pb2 import DocumentFetched
from pagemesh.work.v1.fetch_pb2 import FetchTask
from pagemesh.work.v1.work_pb2 import Fact, Task
from services.ingest.fetch import Fetcher, FetchFault
from services.ingest.fetch_http import REDIRECTS, HttpOpener
from services.ingest.fetch_s3 import S3Opener, S3Rule
from tests.support import documents
from tests.support.origin import Origin, origin, response
from tests.support.s3 import BUCKET, S3Server
from tests.support.services import Facts

PDF = documents.text_pdf()
MIB = 1 << 20
SECONDS = 2.0
TRIES = 3
OURS = str(uuid.uuid4())


class Fetches:
    """The running worker and what is around it."""

    def __init__(self, facts: Facts, origin: Origin, root: Path, blobs: Storage) -> None:
        self.origin = origin
        self.blobs = blobs
        self._facts = facts
        self._root = root

    async def __call__(self, url: str = "", s3: str = "", max_bytes: int = MIB, organization: str = OURS) -> Fact:
        """What comes of a task."""
        task = Task(job_id=str(uuid.uuid4()), document_id=str(uuid.uuid4()), organization_id=organization)
        task.fetch.CopyFrom(FetchTask(url=url, max_bytes=max_bytes) if url else FetchTask(s3=s3, max_bytes=max_bytes))
        begun, fact = await self._facts.of(task)
        assert (False, DocumentFetched()) == (begun.last, begun.fetched)
        return fact

    async def private(self, bus: Bus, url: str, expires_at: datetime) -> tuple[Task, Fact]:
        """A zero-log task, and what comes of it."""
        task = Task(job_id=str(uuid.uuid4()), document_id=str(uuid.uuid4()), organization_id=OURS)
        task.expires_at.FromDatetime(expires_at)
        task.fetch.CopyFrom(FetchTask(url=url, max_bytes=MIB))
        told: asyncio.Queue[Fact] = asyncio.Queue()
        subject = ephemeral_fact_subject("*", task.job_id)
        listening = await bus.listen(subject, lambda _subject, payload: told.put_nowait(Fact.FromString(payload)))
        await self._facts.put(task)
        async with asyncio.timeout(10):
            while not (fact := await told.get()).last:
                pass
        await listening.unsubscribe()
        return task, fact

    async def failure(self, *args: Any, **more: Any) -> tuple[str, str]:
        """Code and message of a fetch that fails, after which nothing is stored that was not before."""
        before = self.stored()
        fact = await self(*args, **more)
        assert fact.HasField("failed"), fact
        assert before == self.stored()
        return fact.failed.code, fact.failed.message

    def stored(self) -> set[Path]:
        """Every file of the blob store."""
        return {path for path in self._root.rglob("*") if path.is_file()}

    def content(self, key: str) -> bytes:
        """A stored original."""
        return (self._root / key).read_bytes()


@pytest.fixture(scope="module")
async def fetches(bus: Bus, facts: Facts, server_directory: Path, s3_environment: None) -> AsyncIterator[Fetches]:
    """A worker that may call 127.0.0.1 and nothing else on this machine, with little patience."""
    root = server_directory / "fetch-blobs"
    allowed = Allowed.parse("127.0.0.1")
    rules = [S3Rule(bucket=BUCKET), S3Rule(bucket=BUCKET, prefix="shared/", organizations=(OURS,))]
    client = outgoing_client(allowed, 0.5)
    opener = S3Opener(rules, f"s3://{BUCKET}/own")
    blobs = Storage(f"file://{root}", lambda: bus)
    fetcher = Fetcher(blobs, HttpOpener(client, allowed), opener, SECONDS, (0.05,) * (TRIES - 1))
    spec = WorkerSpec(
        "fetch", handler(bus, "ingest", fetcher.fetch, await Cancellations.heard_by(bus)), give_up(bus, "ingest"), 8
    )
    worker = Worker(bus, spec)
    await worker.start()
    async with origin() as server:
        yield Fetches(facts, server, root, blobs)
    await worker.stop(0)
    await client.aclose()


@pytest.fixture(scope="module")
def s3_environment(s3_server: S3Server) -> Iterator[None]:
    """The operator's credentials."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        yield


async def put(key: str, content: bytes = PDF) -> str:
    """An object in the bucket; its address."""
    await obstore.put_async(from_url(f"s3://{BUCKET}"), key, content)
    return f"s3://{BUCKET}/{key}"


async def test_what_a_url_names_is_stored(fetches: Fetches) -> None:
    """With its hash, its size, its type by content, and the name that its server gives."""
    named = "attachment; filename*=UTF-8''Bericht%20%C3%BC.pdf"
    url = fetches.origin.says("/a/b.bin", response(PDF, content_disposition=named, content_type="text/html"))
    fetched = (await fetches(url)).fetched
    assert PDF == fetches.content(fetched.storage_key)
    assert fetched.storage_key.startswith(f"originals/{OURS}/")
    told = (fetched.sha256, fetched.size, fetched.mime_type, fetched.filename)
    assert (hashlib.sha256(PDF).hexdigest(), len(PDF), "application/pdf", "Bericht ü.pdf") == told


async def test_zero_log_originals_are_in_memory_alone(fetches: Fetches, bus: Bus) -> None:
    """Below their document, until that is forgotten; no file has them."""
    before, url = fetches.stored(), fetches.origin.says("/private.pdf", response(PDF))
    expires_at = datetime.now(UTC) + timedelta(seconds=60)
    task, fact = await fetches.private(bus, url, expires_at)
    folder = memory_blobs.folder(OURS, task.document_id, expires_at)
    assert (True, PDF, "private.pdf") == (
        fact.fetched.storage_key.startswith(f"{folder}/"),
        await fetches.blobs.get(fact.fetched.storage_key),
        fact.fetched.filename,
    )
    assert before == fetches.stored()


async def test_the_path_names_what_the_server_does_not(fetches: Fetches) -> None:
    """Unquoted, without folders; where the path ends with a slash it is a document."""
    url = fetches.origin.says("/x/annual%20report.pdf", response(PDF))
    assert "annual report.pdf" == (await fetches(url)).fetched.filename
    strange = response(PDF, content_disposition="attachment; filename*=undefined''x")
    assert "b.pdf" == (await fetches(fetches.origin.says("/b.pdf", strange))).fetched.filename
    assert "passwd" == (await fetches(fetches.origin.says("/..%2F..%2Fpasswd", response(PDF)))).fetched.filename
    assert "document" == (await fetches(fetches.origin.says("/", response(PDF)))).fetched.filename


async def test_large_files_are_fetched_in_pieces(fetches: Fetches) -> None:
    """Without a length, in chunks, beyond what one part of the store holds."""
    large = PDF + os.urandom(9 * MIB)

    async def chunked(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for start in range(0, len(large), 300_001):
            piece = large[start : start + 300_001]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    url = fetches.origin.does("/large", chunked)
    assert large == fetches.content((await fetches(url, max_bytes=16 * MIB)).fetched.storage_key)
    assert "fetch_too_large" == (await fetches.failure(url, max_bytes=8 * MIB))[0]


async def test_what_is_too_large_is_not_read_to_its_end(fetches: Fetches) -> None:
    """Neither what says so nor what does not; a file of just the size is taken."""
    says = fetches.origin.says("/says", response(b"", content_length=str(1 << 40)))
    lies = fetches.origin.says("/lies", b"HTTP/1.1 200 OK\r\n\r\n" + PDF + bytes(2 * MIB), then=30)
    for url in (says, lies):
        assert "fetch_too_large" == (await fetches.failure(url))[0]
    assert fetches.origin.asked["/says"] == fetches.origin.asked["/lies"] == 1
    exact = fetches.origin.says("/exact", response(PDF))
    assert (await fetches(exact, max_bytes=len(PDF))).HasField("fetched")
    assert "fetch_too_large" == (await fetches.failure(exact, max_bytes=len(PDF) - 1))[0]


BROKEN = {
    "shorter than said": response(PDF, content_length=str(len(PDF) + 1)),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "busy": response(b"", "503 Service Unavailable"),
    "limited": response(b"", "429 Too Many Requests"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_may_pass_is_tried_again(fetches: Fetches, name: str) -> None:
    """And succeeds when the last try does, else fails."""
    path = f"/{name.replace(' ', '-')}"
    good = fetches.origin.says(path, *[BROKEN[name]] * (TRIES - 1), response(PDF))
    assert (await fetches(good)).HasField("fetched")
    bad = fetches.origin.says(f"{path}-always", BROKEN[name])
    assert "fetch_failed" == (await fetches.failure(bad))[0]
    assert TRIES == fetches.origin.asked[path] == fetches.origin.asked[f"{path}-always"]


REFUSED = {
    "missing": (response(b"", "404 Not Found"), "fetch_failed", "404"),
    "forbidden": (response(PDF, "403 Forbidden"), "fetch_failed", "403"),
    "part": (response(PDF, "206 Partial Content"), "fetch_failed", "206"),
    "compressed": (response(PDF, content_encoding="gzip"), "fetch_failed", "compresses"),
    "page": (response(b"<html>Log in first</html>"), "invalid_file_type", "PDF"),
    "empty": (response(b""), "empty_file", "empty"),
    "no-url": (response(b"", "302 Found", location="http://["), "fetch_failed", "URL"),
    "other-scheme": (response(b"", "302 Found", location="file:///etc/passwd"), "fetch_failed", "http"),
    "credentials": (response(b"", "302 Found", location="http://a:b@example.com/"), "fetch_failed", "credentials"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_stays_wrong_fails_at_once(fetches: Fetches, name: str) -> None:
    """With a code and a message that says why, asked once."""
    answer, code, word = REFUSED[name]
    found = await fetches.failure(fetches.origin.says(f"/{name}", answer))
    assert (code, True) == (found[0], word in found[1]), found
    assert 1 == fetches.origin.asked[f"/{name}"]


async def test_redirects_are_followed_so_far(fetches: Fetches) -> None:
    """Five of them, relative ones too; a sixth is one too many, as is a circle."""
    for number in range(1, REDIRECTS + 2):
        fetches.origin.says(f"/step{number}", response(b"", "307 Temporary Redirect", location=f"step{number - 1}"))
    fetches.origin.says("/step0", response(PDF))
    assert (await fetches(f"{fetches.origin.url}/step{REDIRECTS}")).HasField("fetched")
    assert "fetch_failed" == (await fetches.failure(f"{fetches.origin.url}/step{REDIRECTS + 1}"))[0]
    circle = fetches.origin.says("/circle", response(b"", "301 Moved Permanently", location="/circle"))
    assert "fetch_failed" == (await fetches.failure(circle))[0]
    assert REDIRECTS + 1 == fetches.origin.asked["/circle"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "[::1]", "[::ffff:7f00:2]", "0x7f000002", "2130706434", "169.254.169.254", "10.0.0.1", "0.0.0.0"],
)
async def test_addresses_that_are_not_allowed_are_never_called(fetches: Fetches, host: str) -> None:
    """Neither named nor by a redirect."""
    target = f"http://{host}:{fetches.origin.port}/secret"
    redirect = fetches.origin.says("/inwards", response(b"", "302 Found", location=target))
    for url in (target, redirect):
        assert "address_not_allowed" == (await fetches.failure(url))[0]
    assert 0 == fetches.origin.asked["/secret"]


async def test_names_of_this_machine_are_not_allowed(fetches: Fetches) -> None:
    """Where nothing private is: not `localhost`, which resolves to it, and not by a redirect from elsewhere."""
    nowhere = Allowed()
    client = outgoing_client(nowhere, 0.5)
    opener = HttpOpener(client, nowhere)
    for url in (f"http://localhost:{fetches.origin.port}/secret", f"{fetches.origin.url}/secret"):
        with pytest.raises(FetchFault, match="not allowed") as caught:
            async with opener(url, OURS):
                pytest.fail("it was opened")
        assert "address_not_allowed" == caught.value.code
    assert 0 == fetches.origin.asked["/secret"]
    await client.aclose()


async def test_servers_that_take_too_long_are_given_up(fetches: Fetches) -> None:
    """One that says nothing, after all tries; one that goes on for ever, when the time is over."""
    silent = fetches.origin.says("/silent", b"", then=30)
    assert "fetch_timeout" == (await fetches.failure(silent))[0]

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + PDF[:1_100])
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.1)

    began = asyncio.get_running_loop().time()
    assert "fetch_timeout" == (await fetches.failure(fetches.origin.does("/drip", drip)))[0]
    assert SECONDS + 1 > asyncio.get_running_loop().time() - began
    assert 1 == fetches.origin.asked["/drip"]


async def test_nobody_there(fetches: Fetches) -> None:
    """A port that nobody listens on, and a name that does not resolve."""
    for url in ("http://127.0.0.1:9/x.pdf", "http://nobody.invalid/x.pdf"):
        assert "fetch_failed" == (await fetches.failure(url))[0]


async def test_objects_are_read_where_the_operator_allows_it(fetches: Fetches) -> None:
    """Each organization in its own place, and those that are listed in another."""
    fetched = (await fetches(s3=await put(f"{OURS}/in box/a b.pdf"))).fetched
    assert PDF == fetches.content(fetched.storage_key)
    assert ("a b.pdf", "application/pdf", len(PDF)) == (fetched.filename, fetched.mime_type, fetched.size)
    assert (await fetches(s3=await put("shared/a.pdf"))).HasField("fetched")
    assert "fetch_too_large" == (await fetches.failure(s3=f"s3://{BUCKET}/shared/a.pdf", max_bytes=100))[0]
    assert "invalid_file_type" == (await fetches.failure(s3=await put("shared/b.pdf", b"no document")))[0]
    assert "fetch_failed" == (await fetches.failure(s3=f"s3://{BUCKET}/shared/missing.pdf"))[0]


async def test_objects_elsewhere_are_out_of_reach(fetches: Fetches) -> None:
    """Another organization's, the installation's own, other buckets, and ways around."""
    theirs = str(uuid.uuid4())
    await put(f"{theirs}/a.pdf")
    await put("own/originals/a.pdf")
    await put("shared/a.pdf")
    for address in (
        f"s3://{BUCKET}/{theirs}/a.pdf",
        f"s3://{BUCKET}/{OURS}/../{theirs}/a.pdf",
        f"s3://{BUCKET}/{OURS}/%2e%2e/{theirs}/a.pdf",
        f"s3://{BUCKET}/{OURS}%2F..%2F{theirs}/a.pdf",
        f"s3://{BUCKET}/{OURS}",
        f"s3://{BUCKET}/own/originals/a.pdf",
        f"s3://other/{OURS}/a.pdf",
        f"s3://{BUCKET}//{OURS}/a.pdf",
        "file:///etc/passwd",
    ):
        assert "address_not_allowed" == (await fetches.failure(s3=address))[0], address
    refused = await fetches.failure(s3=f"s3://{BUCKET}/shared/a.pdf", organization=theirs)
    assert "address_not_allowed" == refused[0]
