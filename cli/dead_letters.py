"""Dead letters: tasks and facts that were given up, as the broker keeps them in the stream `DEAD`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from mesh import dead
from mesh.bus import MESSAGE_ID
from mesh.errors import NotFound, Unavailable
from mesh.streams import fact_subject, work_subject

Json = dict[str, Any]

_CONNECT_SECONDS = 5
_SHOWN_CHARACTERS = 200
_BROKER_ERRORS = (NatsError, JetStreamError, TimeoutError, OSError)


@dataclass(frozen=True)
class Letter:
    """One that was given up."""

    sequence: int
    """Its number in the stream, by which it is asked for."""
    kind: str
    """`fact`, or that of the task."""
    time: datetime | None
    payload: bytes
    headers: dict[str, str]

    def summary(self) -> Json:
        """What a list shows; ids are null where it cannot be read."""
        message = dead.parsed(self.kind, self.payload)
        task_id = getattr(message, "task_id", "") or getattr(message, "id", "")
        return {
            "sequence": self.sequence,
            "kind": self.kind,
            "time": self.time.isoformat() if self.time else None,
            "task_id": task_id or None,
            "job_id": message.job_id if message else None,
            "document_id": getattr(message, "document_id", None),
            "organization_id": getattr(message, "organization_id", None),
            "request_id": self.headers.get("x-request-id"),
            "bytes": len(self.payload),
        }

    def content(self) -> Json:
        """What it says, without secrets, long texts cut; empty where it cannot be read."""
        message = dead.parsed(self.kind, self.payload)
        if message is None:
            return {}
        dead.redact(message)
        shown: Json = _cut(MessageToDict(message, preserving_proto_field_name=True))
        return shown


class DeadLetters:
    """The stream. Every method raises Unavailable."""

    def __init__(self, connection: Client) -> None:
        self._jetstream: JetStreamContext = connection.jetstream(timeout=_CONNECT_SECONDS)

    async def newest(self, limit: int) -> list[Letter]:
        """The newest, newest first."""
        found: list[Letter] = []
        with _translated():
            state = (await self._jetstream.stream_info(dead.STREAM)).state
            sequence = state.last_seq
            while len(found) < min(limit, state.messages) and sequence >= state.first_seq:
                if letter := await self._find(sequence):
                    found.append(letter)
                sequence -= 1
        return found

    async def get(self, sequence: int) -> Letter:
        """One of them. Raises NotFound."""
        with _translated():
            letter = await self._find(sequence)
        if letter is None:
            raise NotFound(f"There is no dead letter {sequence}.")
        return letter

    async def requeue(self, letter: Letter) -> str:
        """Hands it out once more and takes it from the dead; answers its new message id.

        Twice at once it is handed out once: the broker drops the repeat.
        """
        is_fact = letter.kind == dead.FACT
        subject = fact_subject("requeued") if is_fact else work_subject(letter.kind, "normal")
        message_id = f"requeued.{letter.sequence}.{letter.headers.get(MESSAGE_ID, letter.kind)}"
        with _translated():
            await self._jetstream.publish(subject, letter.payload, headers={**letter.headers, MESSAGE_ID: message_id})
            await self._jetstream.delete_msg(dead.STREAM, letter.sequence)
        return message_id

    async def _find(self, sequence: int) -> Letter | None:
        try:
            return _letter(await self._jetstream.get_msg(dead.STREAM, seq=sequence))
        except NotFoundError:
            return None


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[DeadLetters]:
    """Dead letters of the broker at the URL. Raises Unavailable."""
    connection = Client()
    with _translated():
        await connection.connect(
            url,
            name="pagemesh dead",
            connect_timeout=_CONNECT_SECONDS,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=_ignored,
        )
    try:
        yield DeadLetters(connection)
    finally:
        await connection.close()


def _letter(message: RawStreamMsg) -> Letter:
    kind = (message.subject or "").split(".")[1]
    return Letter(message.seq or 0, kind, message.time, message.data or b"", dict(message.headers or {}))


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner) for inner in value]
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]}… ({len(value):,} characters)"
    return value


async def _ignored(error: Exception) -> None:
    """What goes wrong is told by the call that it ends."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _BROKER_ERRORS as error:
        raise Unavailable("The message broker cannot be reached.", dependency="nats") from error
