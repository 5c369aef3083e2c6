"""A durable pull consumer that always has a request open, so that a message waits for nobody.

Messages that were asked for or received, but not yet taken, do not exceed the window (but for the moment after a
reconnection, when an older request may still be served): a slow process leaves the rest to the others.
"""

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import Error as JetStreamError

from mesh.bus import Bus

log = logging.getLogger(__name__)

ACK_WAIT_SECONDS = 15.0
_EXPIRES_SECONDS = 20
_HEARTBEAT_SECONDS = 3
_SILENCE_SECONDS = 3 * _HEARTBEAT_SECONDS


class PullConsumer:
    """Pulls from one durable consumer and hands each message to `deliver`."""

    def __init__(
        self, bus: Bus, stream: str, durable: str, subject: str, window: int, deliver: Callable[[Msg], None]
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._config = ConsumerConfig(
            durable_name=durable,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_deliver=-1,
            max_ack_pending=10_000,
        )
        self._durable = durable
        self._window = window
        self._deliver = deliver
        self._waiting = 0
        self._open = ""
        self._left = 0
        self._numbers = itertools.count()
        self._inbox = bus.connection.new_inbox()
        self._subscription: Subscription | None = None
        self._heard_at = time.monotonic()
        self._stopped = False
        self._sending: set[asyncio.Future[None]] = set()
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Declares the consumer and opens the first request."""
        self._subscription = await self._bus.connection.subscribe(f"{self._inbox}.*", cb=self._on_message)
        self._bus.on_restore(self._restore)
        await self._restore()
        self._tending = asyncio.create_task(self._tend())

    async def stop(self) -> None:
        """Asks for no more; what was delivered stays with whom it was delivered to."""
        self._stopped = True
        if self._tending:
            self._tending.cancel()
        if self._subscription and self._bus.connection.is_connected:
            await self._subscription.unsubscribe()

    def taken(self) -> None:
        """Says that a delivered message no longer waits: another may be asked for."""
        self._waiting -= 1
        self._ask()

    def _ask(self) -> None:
        """Opens a request for as many as there is room for, when none is open: one at a time keeps the count true."""
        room = self._window - self._waiting
        if self._stopped or self._left > 0 or room <= 0 or not self._bus.connection.is_connected:
            return
        self._left = room
        self._open = f"{self._inbox}.{next(self._numbers)}"
        request = {"batch": room, "expires": _EXPIRES_SECONDS * 10**9, "idle_heartbeat": _HEARTBEAT_SECONDS * 10**9}
        sending = asyncio.ensure_future(self._send(json.dumps(request).encode(), self._open))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send(self, request: bytes, inbox: str) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        try:
            await self._bus.connection.publish(subject, request, reply=inbox)
        except (NatsError, OSError) as error:
            log.debug("pull not sent", extra={"error": type(error).__name__})

    async def _on_message(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        status = message.headers.get("Status") if message.headers and not message.data else None
        if status is None:
            self._waiting += 1
            self._left -= 1
            self._deliver(message)
            self._ask()
        elif status != "100" and message.subject == self._open:
            self._left = 0
            if status in ("503", "409"):  # no such consumer, or it was deleted or moved: declare, then ask again
                await asyncio.sleep(0.2)
                await self._restore_quietly()
            else:
                self._ask()

    async def _restore(self) -> None:
        await self._bus.jetstream.add_consumer(self._stream, self._config)
        self._left = 0
        self._ask()

    async def _restore_quietly(self) -> None:
        try:
            await self._restore()
        except (NatsError, JetStreamError, TimeoutError, OSError) as error:
            log.warning("consumer not declared yet", extra={"consumer": self._durable, "error": type(error).__name__})

    async def _tend(self) -> None:
        """A server that forgot the request sends no heartbeats: ask anew."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            if self._bus.connection.is_connected and time.monotonic() - self._heard_at > _SILENCE_SECONDS:
                self._heard_at = time.monotonic()
                await self._restore_all_quietly()

    async def _restore_all_quietly(self) -> None:
        try:
            await self._bus.restore()
        except (NatsError, JetStreamError, TimeoutError, OSError) as error:
            log.warning("streams not declared yet", extra={"error": type(error).__name__})
