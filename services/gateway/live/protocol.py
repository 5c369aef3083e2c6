"""The WebSocket protocol of the server: uvicorn's, with bounds where it trusts its peer.

Uvicorn closes politely: it waits until all that was written is taken. A client that never reads would keep its
connection, and a process that stops, for as long as it likes; so what is not taken in time is cut off.
"""

import asyncio
import socket
from typing import cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

MESSAGE_BYTES = 1 << 20
"""Longer messages end the connection, code 1009, before they are read."""
WRITE_NOW = "pagemesh.write_now"
"""The extension of a connection's scope that holds `write_now`."""
_FRAGMENTS = 256
_UNSENT_BYTES = 16 << 10
_KERNEL_BYTES = 64 << 10
_LAST_SECONDS = 1.0


class LiveProtocol(WebSocketsSansIOProtocol):
    """One connection, from its upgrade on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps little for a client that does not read, here and in the kernel: what it misses is told newest first."""
        super().connection_made(transport)
        self.close_timeout = _LAST_SECONDS
        self.transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        opened = transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    def handle_cont(self, event: Frame) -> None:
        """Takes a fragment; empty ones count nothing against a message's size, so there is a limit to them too."""
        if len(self.frames) >= _FRAGMENTS:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
        else:
            super().handle_cont(event)

    async def send(self, message: ASGISendEvent) -> None:
        """Sends what the application says. A handshake that was answered as a request is complete, too.

        Beside what ASGI knows it takes `frames`, bytes that are whole frames already, of a `websocket.send`.
        """
        if isinstance(frames := message.get("frames"), bytes):
            await self._send_frames(frames)
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    def write_now(self, frames: bytes) -> bool:
        """Writes what is whole frames already, unless that would have to wait or is too late; whether it did."""
        if not self.writable.is_set() or not self._is_open():
            return False
        self.transport.write(frames)
        return True

    async def _send_frames(self, frames: bytes) -> None:
        await self.writable.wait()
        if not self._is_open():
            raise ClientDisconnected
        self.transport.write(frames)

    def _is_open(self) -> bool:
        return not self.disconnected and not self.close_sent and self.conn.state is State.OPEN

    def keepalive_timeout(self) -> None:
        """Ends a connection whose peer does not answer pings."""
        super().keepalive_timeout()
        self.transport.abort()

    def eof_received(self) -> None:
        """The client says no more; what it has not read a moment later it never reads."""
        self._cut_off_soon()

    def handle_close(self, event: Frame) -> None:
        """The client takes its leave, likewise."""
        super().handle_close(event)
        self._cut_off_soon()

    def shutdown(self) -> None:
        """Ends it since the process stops."""
        super().shutdown()
        self._cut_off_soon()

    async def run_asgi(self) -> None:
        """Serves it; whatever is left when the application has done is sent soon or never."""
        cast("dict[str, object]", self.scope["extensions"])[WRITE_NOW] = self.write_now
        await super().run_asgi()
        self._cut_off_soon()

    def _cut_off_soon(self) -> None:
        self.loop.call_later(_LAST_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        if not self.disconnected:
            self.transport.abort()
