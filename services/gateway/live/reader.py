"""One open connection: what its client says, and what it is told, at the pace at which it reads."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.types import Receive, Send

from mesh import scopes
from mesh.errors import Forbidden
from mesh.identity import Identity
from services.gateway.live import closing, commands, outbox
from services.gateway.live.allowance import Allowance
from services.gateway.live.closing import Closing
from services.gateway.live.commands import BadMessage, Command, Ping, Subscribe, Unsubscribe
from services.gateway.live.gathering import Batch, Gathering
from services.gateway.live.outbox import Outbox, TooSlow
from services.gateway.live.updates import Channel, Update
from services.gateway.traffic import LIVE_CLOSED

CLOSE_SECONDS = 0.5
"""How long a reader that has to go may take to hear why."""
_UPDATES_AT_ONCE = 64
_SCOPES = {Channel.DOCUMENTS: "documents.read", Channel.JOBS: "jobs.read"}


class Reader:
    """A client that follows its user's jobs.

    As long as it keeps up, what was gathered is written as it comes. What it is too slow for waits in its outbox, and
    a task writes that as the client reads.
    """

    def __init__(self, identity: Identity, credential: str, write_now: Callable[[bytes], bool]) -> None:
        """`write_now` writes frames unless that would have to wait, and says whether it did."""
        self.identity = identity
        self.credential = credential
        self.heard = 0
        self._gathering: Gathering | None = None
        self._write_now = write_now
        self._channels: dict[Channel, None] = {}
        self._outbox = Outbox(outbox.CAPACITY)
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._end: Closing | None = None
        self._closed = False
        self._writing: asyncio.Task[None] | None = None
        self._allowance = Allowance()

    @property
    def ending(self) -> bool:
        """Whether it has to go, or is gone."""
        return self._end is not None

    def follow(self, gathering: Gathering) -> None:
        """Is told from now on of what is gathered there."""
        self._gathering = gathering
        self.heard = gathering.last

    def tell(self, batch: Batch) -> None:
        """Tells it at once, or as soon as the client reads, if it wants such."""
        if self.ending or not self._channels:
            return
        if not len(self._outbox) and not self._flushing.locked():
            frames = batch.frames(self._channels)
            if not frames or self._write_now(frames):
                return
        self._keep(batch.updates)

    def catch_up(self) -> None:
        """Takes, early, what is gathered so far and it has not taken yet."""
        if self._gathering is not None:
            self._keep(self._gathering.after(self.heard))
            self.heard = self._gathering.last

    def _keep(self, updates: Iterable[Update]) -> None:
        try:
            for update in updates:
                if update.channel in self._channels:
                    self._outbox.put(update)
        except TooSlow:
            self.end(closing.TOO_SLOW)
        if len(self._outbox):
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
            await self._allowance.spend()
            self.catch_up()
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

    async def _write(self, send: Send) -> None:
        while True:
            await self._wake.wait()
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
