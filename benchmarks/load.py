"""Three measurements of any submit-and-poll service: latency, documents per second, polls per second."""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from benchmarks.wire import BOUNDARY, Address, Answer, BadAnswer, Connection, multipart, request_bytes


class JobFailed(RuntimeError):
    """The service says that a measured job failed; the measurement is void."""


@dataclass(frozen=True, slots=True)
class Submit:
    """How one service takes a PDF and how it says that the job is done.

    `job_path` turns the answer to the upload into the path to poll; `finished` reads the body of a poll and raises
    JobFailed for a job that ended badly. `headers` go with every request, `poll_headers` with polls only.
    """

    path: str
    job_path: Callable[[Answer], str]
    finished: Callable[[bytes], bool]
    headers: Mapping[str, str] = field(default_factory=dict)
    poll_headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    file_field: str = "file"

    def upload(self, host: str, pdf: bytes) -> bytes:
        """The whole upload request of one PDF."""
        headers = {**self.headers, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        body = multipart(self.fields, self.file_field, "document.pdf", pdf, "application/pdf")
        return request_bytes("POST", self.path, host, headers, body)

    def poll(self, host: str, path: str) -> bytes:
        """The whole poll request of one job."""
        return request_bytes("GET", path, host, {**self.headers, **self.poll_headers})

    async def submit(self, connection: Connection, upload: bytes) -> str:
        """Send an upload request; the path of its job. Raises BadAnswer unless it was accepted."""
        answer = await connection.exchange(upload)
        if answer.status not in (200, 201, 202):
            raise BadAnswer(f"upload answered {answer.status}: {answer.body[:300]!r}")
        return self.job_path(answer)

    def is_done(self, answer: Answer) -> bool:
        """Whether a polled job is completed. Raises BadAnswer for a status other than 200, and JobFailed."""
        if answer.status != 200:
            raise BadAnswer(f"poll answered {answer.status}: {answer.body[:300]!r}")
        return self.finished(answer.body)


@dataclass(frozen=True, slots=True)
class Latency:
    """From the first byte of the upload to the answer that says completed, one document at a time."""

    rounds: int
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Documents completed with `in_flight` clients, each of which submits the next when its last is done."""

    documents: int
    in_flight: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Documents completed per second."""
        return self.documents / self.seconds


@dataclass(frozen=True, slots=True)
class _Client:
    """One connection that submits the same upload again and again and waits for each."""

    connection: Connection
    submit: Submit
    host: str
    upload: bytes
    pause_seconds: float

    async def round(self) -> str:
        """Submit and poll until done; the path of the finished job."""
        path = await self.submit.submit(self.connection, self.upload)
        poll = self.submit.poll(self.host, path)
        done = self.submit.is_done
        while not done(await self.connection.exchange(poll)):  # noqa: ASYNC110 - polling is what is measured
            await asyncio.sleep(self.pause_seconds)
        return path


async def _client(address: Address, submit: Submit, pdf: bytes, pause_seconds: float) -> _Client:
    connection = await Connection.open(address)
    return _Client(connection, submit, address.authority, submit.upload(address.authority, pdf), pause_seconds)


async def finished_job(base_url: str, submit: Submit, pdf: bytes) -> str:
    """Submit one document and wait for it; the path of its job, to be polled by `benchmarks.polls`."""
    client = await _client(Address.of(base_url), submit, pdf, 0.01)
    with closing(client.connection):
        return await client.round()


async def submit_to_result(
    base_url: str, submit: Submit, pdf: bytes, rounds: int = 200, warm_up: int = 10, pause_seconds: float = 0.0
) -> Latency:
    """Time `rounds` documents one after another, after `warm_up` untimed ones, by default polling without pause."""
    client = await _client(Address.of(base_url), submit, pdf, pause_seconds)
    milliseconds = []
    with closing(client.connection):
        for _ in range(warm_up):
            await client.round()
        for _ in range(rounds):
            started = time.perf_counter()
            await client.round()
            milliseconds.append((time.perf_counter() - started) * 1000)
    return Latency(rounds, statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1])


async def documents_per_second(
    base_url: str, submit: Submit, pdf: bytes, documents: int = 500, in_flight: int = 16, pause_seconds: float = 0.02
) -> Throughput:
    """Complete `documents` with `in_flight` clients that poll every `pause_seconds`, after one untimed round."""
    address = Address.of(base_url)
    clients = [await _client(address, submit, pdf, pause_seconds) for _ in range(in_flight)]
    left = iter(range(documents))

    async def work(client: _Client) -> None:
        for _ in left:
            await client.round()

    try:
        await asyncio.gather(*(client.round() for client in clients))
        started = time.perf_counter()
        await asyncio.gather(*map(work, clients))
        return Throughput(documents, in_flight, time.perf_counter() - started)
    finally:
        for client in clients:
            client.connection.close()
