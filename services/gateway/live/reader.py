"""One open connection: what its client says, and what it is told, at the pace at which it reads."""

import asyncio
import time

from starlette.types import Receive, Send

from mesh import scopes
from mesh.errors import Forbidden
from mesh.identity import Identity
from services.gateway.live import closing, commands, outbox
from services.gateway.live.closing import Closing
from services.gateway.live.commands import BadMessage, Command, Ping, Subscribe, Unsubscribe
from services.gateway.live.outbox import Outbox, TooSlow
from services.gateway.live.updates import Channel, Update
from services.gateway.traffic import LIVE_CLOSED

PACE_SECONDS = 0.1
"""How long updates are gathered: what comes meanwhile of one job becomes one message."""
CLOSE_SECONDS = 0.5
"""How long a reader that has to go may take to hear why."""
_MESSAGES_PER_SECOND = 200.0
_MESSAGES_AT_ONCE = 1_000.0
_UPDATES_AT_ONCE = 64
_SCOPES = {Channel.DOCUMENTS: "documents.read", Channel.JOBS: "jobs.read"}


class Reader:
    """A client that follows its user's jobs."""

    def __init__(self, identity: Identity, credential: str) -> None:
        self.identity = identity
        self.credential = credential
        self._channels: dict[Channel, None] = {}
        self._outbox = Outbox(outbox.CAPACITY)
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._end: Closing | None = None
        self._closed = False
        self._writing: asyncio.Task[None] | None = None
        self._allowed, self._counted_at = _MESSAGES_AT_ONCE, time.monotonic()

    @property
    def ending(self) -> bool:
        """Whether it has to go, or is gone."""
        return self._end is not None

    def offer(self, update: Update) -> None:
        """Tells an update as soon as the client reads, if it wants such."""
        if update.channel not in self._channels or self.ending:
            return
        try:
            self._outbox.put(update)
        except TooSlow:
            self.end(closing.TOO_SLOW)
        self._wake.set()

    def end(self, why: Closing) -> None:
        """Closes the connection, whether the client reads or not; the first reason holds."""
        if self._end is None:
            self._end = why
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._give_up)
        self._wake.set()

    async def run(self, receive: Receive, send: Send) -> None:
        """Serves the client until either side closes."""
        reading = asyncio.create_task(self._read(receive, send))
        self._writing = writing = asyncio.create_task(self._write(send))
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            for done in (reading, writing):
                if done.done() and self._end is None:
                    done.result()
        finally:
            self._end = self._end or closing.GONE
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    def _give_up(self) -> None:
        if self._writing is not None:
            self._writing.cancel()

    async def _read(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await self._not_too_fast()
            await self._flush(send)  # answers come after what was told before
            await self._answer(message.get("text"), send)

    async def _answer(self, text: str | None, send: Send) -> None:
        try:
            command = commands.parse(text)
            self._require_scopes(command)
        except BadMessage as wrong:
            await self._say(commands.error(wrong.code, wrong.message), send)
            return
        if isinstance(command, Ping):
            await self._say(commands.PONG, send)
        elif isinstance(command, Subscribe):
            await self._say(commands.subscribed({**self._channels, **dict.fromkeys(command.channels)}), send)
            self._channels.update(dict.fromkeys(command.channels))
        else:
            self._leave(command)
            await self._say(commands.unsubscribed(command.channels, self._channels), send)

    def _require_scopes(self, command: Command) -> None:
        for channel in command.channels if isinstance(command, Subscribe) else ():
            try:
                scopes.require(self.identity, _SCOPES[channel])
            except Forbidden as error:
                raise BadMessage(error.code, error.message) from error

    def _leave(self, command: Unsubscribe) -> None:
        for channel in command.channels:
            self._channels.pop(channel, None)
            self._outbox.drop(channel)

    async def _not_too_fast(self) -> None:
        now = time.monotonic()
        self._allowed += (now - self._counted_at) * _MESSAGES_PER_SECOND - 1
        self._allowed, self._counted_at = min(self._allowed, _MESSAGES_AT_ONCE), now
        if self._allowed < 0:  # nothing is read meanwhile, so that the flood stays with whoever sends it
            await asyncio.sleep(-self._allowed / _MESSAGES_PER_SECOND)

    async def _write(self, send: Send) -> None:
        while True:
            await self._wake.wait()
            if self._end is None:
                await asyncio.sleep(PACE_SECONDS)
            self._wake.clear()
            await self._flush(send)
            if self._end is not None:
                await self._close(self._end, send)
                return

    async def _flush(self, send: Send) -> None:
        """Writes what waits, a few kilobytes at a time; one task at a time, or what is later may overtake."""
        async with self._flushing:
            while self._end is None and (updates := self._outbox.take(_UPDATES_AT_ONCE)):
                await send({"type": "websocket.send", "frames": b"".join(update.frame for update in updates)})

    async def _close(self, why: Closing, send: Send) -> None:
        self._closed = True
        LIVE_CLOSED.labels(why.code).inc()
        await send({"type": "websocket.close", "code": why.code, "reason": why.reason})

    async def _say(self, message: str | bytes, send: Send) -> None:
        if not self._closed:
            text = message if isinstance(message, str) else message.decode()
            await send({"type": "websocket.send", "text": text})
