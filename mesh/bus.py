"""The JetStream bus: publishing with a message id and the request's trace, and declaring streams again when lost."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import BadRequestError, NoStreamResponseError, NotFoundError
from nats.js.errors import Error as JetStreamError

from mesh import context
from mesh.errors import TooMuch, Unavailable
from mesh.settings import MeshSettings
from mesh.streams import declared

log = logging.getLogger(__name__)

MESSAGE_ID = "Nats-Msg-Id"
_ACK_SECONDS = 3.0
_FLUSH_SECONDS = 1
_BROKER_ERRORS = (NatsError, JetStreamError, TimeoutError, OSError)
GONE = frozenset({10037, 10043, 10057})
"""JSNoMessageFoundErr, JSSequenceNotFoundErrF and JSStreamMsgDeleteFailedF of the server."""

Restore = Callable[[], Awaitable[None]]


class Bus:
    """One connection to NATS that never gives up reconnecting."""

    def __init__(self, connection: Client, streams: list[StreamConfig]) -> None:
        self.connection = connection
        self.jetstream: JetStreamContext = connection.jetstream(timeout=_ACK_SECONDS)
        self._streams = streams
        self._restores: list[Restore] = []
        self._restoring = asyncio.Lock()

    @classmethod
    async def connect(cls, settings: MeshSettings) -> "Bus":
        """Connects, waiting for the server as long as it takes, and declares every stream."""
        connection = Client()
        bus = cls(connection, declared(settings.stream_replicas))
        await connection.connect(
            settings.nats_url.get_secret_value(),
            name=settings.instance,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # any number of seconds is slept
            ping_interval=5,
            max_outstanding_pings=2,
            allow_reconnect=True,
            reconnected_cb=bus._restore_soon,
            disconnected_cb=_log_disconnected,
            error_cb=_log_error,
            pending_size=16 << 20,
        )
        await bus.restore()
        return bus

    def on_restore(self, restore: Restore) -> None:
        """Has `restore` called after every reconnection, when the streams are there again."""
        self._restores.append(restore)

    async def restore(self) -> None:
        """Declares the streams, then whatever was registered; what is there already stays as it is."""
        async with self._restoring:
            for config in self._streams:
                await self._declare(config)
            for restore in self._restores:
                await restore()

    async def check(self) -> None:
        """Raises Unavailable while the broker is away."""
        if not self.connection.is_connected:
            raise Unavailable("The message broker is away.", dependency="nats")

    async def publish(
        self,
        subject: str,
        payload: bytes,
        message_id: str,
        within: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[str, int]:
        """Publishes durably, trying again until the broker has confirmed; the broker drops a repeated message id.

        Returns the stream and the message's sequence in it. Raises Unavailable when that takes more than `within`
        seconds; without a limit it tries for as long as the broker is away. Raises TooMuch for a message that the
        broker will never take. `headers` are the request's own by default.
        """
        headers = {**(context.outgoing_headers() if headers is None else headers), MESSAGE_ID: message_id}
        started, pause = time.monotonic(), 0.05
        while True:
            try:
                ack = await self.jetstream.publish(subject, payload, timeout=_ACK_SECONDS, headers=headers)
            except MaxPayloadError as error:
                raise TooMuch("The message is larger than the broker takes.") from error
            except _BROKER_ERRORS as error:
                if within is not None and time.monotonic() - started > within:
                    raise Unavailable("The message broker is away.", dependency="nats") from error
                log.warning("publish failed, trying again", extra={"subject": subject, "error": type(error).__name__})
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
                if isinstance(error, NoStreamResponseError):
                    await self._restore_quietly()
            else:
                return ack.stream, ack.seq

    async def tell(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
        """Publishes to whoever listens now, without confirmation."""
        try:
            await self.connection.publish(subject, payload, headers=headers)
        except _BROKER_ERRORS as error:
            log.debug("told nobody", extra={"subject": subject, "error": type(error).__name__})

    async def flush(self) -> None:
        """Waits until what was told has reached the broker; not while that is away, and a second at most."""
        if self.connection.is_connected:
            with suppress(*_BROKER_ERRORS):
                await self.connection.flush(_FLUSH_SECONDS)

    async def listen(self, subject: str, handler: Callable[[str, bytes], None]) -> Subscription:
        """Calls `handler(subject, payload)` for every message told on the subject."""
        return await self.hear(subject, lambda name, payload, _: handler(name, payload))

    async def hear(self, subject: str, handler: Callable[[str, bytes, Mapping[str, str]], None]) -> Subscription:
        """As `listen`, with the messages' headers."""

        async def on_message(message: Msg) -> None:
            handler(message.subject, message.data, message.headers or {})

        return await self.connection.subscribe(subject, cb=on_message)

    async def holds(self, stream: str, sequence: int, message_id: str) -> bool:
        """Whether the stream still holds that message, under that id. Raises Unavailable when it cannot be told."""
        try:
            message = await self.jetstream.get_msg(stream, seq=sequence)
        except NotFoundError:
            return False
        except _BROKER_ERRORS as error:
            raise Unavailable("The message broker is away.", dependency="nats") from error
        return (message.headers or {}).get(MESSAGE_ID) == message_id

    async def take_back(self, stream: str, sequence: int, message_id: str) -> None:
        """Deletes that message if the stream still holds it, under that id. Raises Unavailable when it cannot be told.

        A worker that has it already may acknowledge it all the same.
        """
        if not await self.holds(stream, sequence, message_id):
            return
        try:
            await self.jetstream.delete_msg(stream, sequence)
        except _BROKER_ERRORS as error:
            if getattr(error, "err_code", None) not in GONE:
                raise Unavailable("The message broker is away.", dependency="nats") from error

    async def depth(self, stream: str) -> int:
        """How many messages the stream holds. Raises Unavailable when it cannot be told."""
        try:
            return int((await self.jetstream.stream_info(stream)).state.messages)
        except _BROKER_ERRORS as error:
            raise Unavailable("The message broker is away.", dependency="nats") from error

    async def purge(self, stream: str, subject: str) -> None:
        """Erases every message of these subjects. Raises Unavailable."""
        try:
            await self.jetstream.purge_stream(stream, subject=subject)
        except _BROKER_ERRORS as error:
            raise Unavailable("The message broker is away.", dependency="nats") from error

    async def close(self) -> None:
        """Sends what is pending and closes."""
        try:
            await asyncio.wait_for(self.connection.drain(), timeout=5)
        except _BROKER_ERRORS:
            with suppress(*_BROKER_ERRORS):  # the broker may be gone
                await self.connection.close()

    async def _declare(self, config: StreamConfig) -> None:
        try:
            await self.jetstream.add_stream(config)
        except BadRequestError:  # it is there in another form: an older release's
            await self.jetstream.update_stream(config)

    async def _restore_soon(self) -> None:
        log.info("reconnected to the broker")
        await self._restore_quietly()

    async def _restore_quietly(self) -> None:
        try:
            await self.restore()
        except _BROKER_ERRORS as error:
            log.warning("streams not declared yet", extra={"error": type(error).__name__})


async def _log_disconnected() -> None:
    log.warning("disconnected from the broker")


async def _log_error(error: Exception) -> None:
    level = logging.INFO if isinstance(error, _BROKER_ERRORS) else logging.ERROR
    log.log(
        level, "broker connection", exc_info=error if level == logging.ERROR else None, extra={"error": repr(error)}
    )
