"""Services run inside the test's process, their callers, and workers that do what a test tells them."""

import asyncio
import base64
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr

from mesh import client, context
from mesh.bus import Bus
from mesh.cancellations import Cancellations
from mesh.settings import MeshSettings
from mesh.streams import cancel_subject
from mesh.tasks import Report, handler
from mesh.worker import Worker, WorkerSpec
from pagemesh.auth.v1.auth_pb2 import RegisterRequest
from pagemesh.auth.v1.auth_pb2_grpc import AccountServiceStub
from pagemesh.work.v1.work_pb2 import Fact, Task
from services.auth.settings import AuthSettings

SECRET = "shared among services"
ARRIVAL_SECRET = "shared by ingest and results"
KINDS = ("fetch", "inspect", "extract", "ocr", "analyze")
_SECONDS = 60.0

S = TypeVar("S", bound=MeshSettings)
R = TypeVar("R")


def auth_settings(url: str, directory: Path) -> AuthSettings:
    """Settings of an auth service that listens on a socket in the directory."""
    key = directory / "master.key"
    key.write_bytes(base64.b64encode(os.urandom(32)))
    return AuthSettings(
        listen=f"unix:{directory}/auth.sock",
        database_url=SecretStr(url),
        service_secret=SecretStr(SECRET),
        master_key_file=key,
        drain_seconds=0.5,
    )


@asynccontextmanager
async def running(serve: Callable[[S, asyncio.Event], Awaitable[None]], settings: S) -> AsyncIterator[grpc.aio.Channel]:
    """The service, ready inside the block, and a channel to it; it has drained when the block has ended."""
    stop = asyncio.Event()
    service = asyncio.ensure_future(serve(settings, stop))
    channel = client.connect(settings.listen, settings)
    try:
        ready = asyncio.create_task(_until_serving(channel))
        await asyncio.wait({service, ready}, return_when=asyncio.FIRST_COMPLETED)
        if service.done():
            service.result()
        yield channel
    finally:
        stop.set()
        await channel.close()
        await service


async def _until_serving(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    async with asyncio.timeout(_SECONDS):
        while True:
            answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Caller:
    """Somebody of an organization of their own."""

    token: str
    user_id: str
    organization_id: str

    @classmethod
    async def register(cls, auth: MeshSettings) -> "Caller":
        """A new account with a new organization."""
        channel = client.connect(auth.listen, auth)
        email = f"{uuid.uuid4().hex}@example.com"
        request = RegisterRequest(email=email, password="a long enough phrase", full_name="Test Person")
        response = await client.call(AccountServiceStub(channel).Register, request)
        await channel.close()
        return cls(response.tokens.access_token, response.user.id, response.user.organization.id)

    async def call(self, method: Callable[..., Awaitable[R]], request: Message) -> R:
        """Calls as this person. Raises a PagemeshError."""
        context.bearer_token.set(self.token)
        return await client.call(method, request, seconds=_SECONDS)

    async def stream(self, method: Callable[..., Any], request: Message) -> list[Any]:
        """Every response of a streaming call as this person. Raises a PagemeshError."""
        context.bearer_token.set(self.token)
        return [response async for response in client.stream(method, request, _SECONDS)]


@dataclass
class Held:
    """A task in a worker's hand until the test says that it is finished."""

    task: Task
    report: Report
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def finish(self, *news: Any) -> None:
        """Reports the news, the last of which ends the task, and lets the worker acknowledge."""
        for number, one in enumerate(news, start=1):
            await self.report.tell(one, last=number == len(news))
        self.finished.set()

    async def fail(self, code: str, message: str = "It cannot be done.") -> None:
        """Reports that the task cannot be done."""
        await self.report.fail(code, message)
        self.finished.set()


class Hands:
    """Workers of every kind whose tasks wait for the test, by document."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._held: dict[tuple[str, str], asyncio.Queue[Held]] = defaultdict(asyncio.Queue)
        # They hear of no cancellation, so that tests can report late.
        handle = handler(bus, "test", self._take, Cancellations())
        self._workers = [Worker(bus, WorkerSpec(kind, handle, self._give_up, 200, 200)) for kind in KINDS]

    async def start(self) -> None:
        """Begins to take tasks."""
        for worker in self._workers:
            await worker.start()

    async def stop(self) -> None:
        """Hands back what is left."""
        for worker in self._workers:
            await worker.stop(0)

    async def next(self, document_id: str, kind: str) -> Held:
        """The next task of that kind for the document."""
        return await asyncio.wait_for(self._held[document_id, kind].get(), _SECONDS)

    def idle(self, document_id: str) -> bool:
        """Whether no task waits for the document."""
        return all(self._held[document_id, kind].empty() for kind in KINDS)

    async def say(self, fact: Fact) -> None:
        """Publishes a fact under an id of its own, as a second delivery of its task could."""
        await self.bus.publish("facts.test", fact.SerializeToString(), uuid.uuid4().hex)

    async def _take(self, task: Task, report: Report) -> None:
        held = Held(task, report)
        self._held[task.document_id, task.WhichOneof("work") or ""].put_nowait(held)
        await held.finished.wait()

    async def _give_up(self, payload: bytes, deliveries: int) -> None:
        raise AssertionError(f"given up after {deliveries} deliveries")


class Facts:
    """What workers report, heard as it is published, by task."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._facts: dict[str, asyncio.Queue[Fact]] = defaultdict(asyncio.Queue)

    async def start(self) -> None:
        """Listens."""
        await self._bus.listen("facts.>", self._hear)
        await self._bus.connection.flush()

    async def put(self, task: Task) -> None:
        """Puts the task on WORK."""
        task.id = task.id or str(uuid.uuid4())
        task.attempt = task.attempt or 1
        subject = f"work.{task.WhichOneof('work')}.normal"
        await self._bus.publish(subject, task.SerializeToString(), f"{task.id}.{task.attempt}")

    def told(self, task: Task) -> bool:
        """Whether anything was reported of it."""
        return task.id in self._facts

    async def cancel(self, task: Task) -> None:
        """Tells workers that nobody wants the task's job any more; returns when the broker has no task left."""
        await self._bus.tell(cancel_subject(task.organization_id or "an-organization", task.job_id), b"")
        async with asyncio.timeout(2):
            while await self._bus.depth("WORK"):  # noqa: ASYNC110  # the worker acknowledges it elsewhere
                await asyncio.sleep(0.02)

    async def of(self, task: Task) -> list[Fact]:
        """Puts the task on WORK; answers its facts up to the last."""
        await self.put(task)
        facts: list[Fact] = []
        while not facts or not facts[-1].last:
            facts.append(await asyncio.wait_for(self._facts[task.id].get(), _SECONDS))
        return facts

    def _hear(self, subject: str, payload: bytes) -> None:
        fact = Fact.FromString(payload)
        self._facts[fact.task_id].put_nowait(fact)
