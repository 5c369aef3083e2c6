"""HTTP/1.1 as the server speaks it: uvicorn's, but for three things.

- What is no request at all is answered in the one form of errors.
- It tells of a client that leaves by a call; a task that waits for that would take 1.3 KiB a held request.
- A connection of which nothing is expected keeps no parser, and of what seldom waits no room for 64 waiters.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mesh import context
from services.gateway import problems
from services.gateway.surfaces import version_of

ON_LEFT = "pagemesh.on_left"
"""Where the scope of a request holds `hold`."""
Left = Callable[[], None]


class Signal(asyncio.Event):
    """asyncio's, with a list of those who wait; its deque takes 760 bytes however few they are."""

    def __init__(self, is_set: bool = False) -> None:
        self._value = is_set
        self._waiters = []  # type: ignore[assignment]


def _has_left(left: Left) -> None:
    left()


class Few(list[Any]):
    """A deque of few, as far as requests that wait on a connection need one."""

    def appendleft(self, one: object) -> None:
        """Puts one first."""
        self.insert(0, one)


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _left: Left | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with little."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.pipeline = Few()  # type: ignore[assignment]
        self.flow._is_writable_event = Signal(is_set=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells it of the request that is held."""
        left, self._left = self._left, None
        super().connection_lost(exc)
        if self.scope is not None:
            scope = cast("dict[str, object]", self.scope)
            if ON_LEFT in scope:  # it leads back here; but who means to hold the request has to be told
                scope[ON_LEFT] = _has_left
        if left is not None:
            left()

    def hold(self, left: Left) -> None:
        """From now until its answer is complete the request that is served is held; calls `left` if its client leaves.

        What else its body brings is dropped.
        """
        if self.transport.is_closing():
            left()
            return
        self._left = left
        if not self.pipeline:
            self.cycle.body.clear()
            self.flow.resume_reading()
            self._rest()

    def _rest(self) -> None:
        """Does without the parser until more comes, if it is in the midst of nothing."""
        if self.cycle.scope is self.scope and not self.cycle.more_body:
            self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        if cast("HttpRequestParser | None", self.parser) is None:
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Lets the request be held."""
        super().on_message_begin()
        cast("dict[str, object]", self.scope)[ON_LEFT] = self.hold

    def on_headers_complete(self) -> None:
        """Begins to serve the request; nothing waits for its body yet."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.message_event = Signal()

    def on_body(self, body: bytes) -> None:
        """Takes a piece of a body, unless its request is held."""
        if self._left is None or self.pipeline:
            super().on_body(body)

    def on_response_complete(self) -> None:
        """Holds the request no longer."""
        self._left = None
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers and closes the connection."""
        content = problems.body("invalid_request", "This is no HTTP request.")
        headers = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            "connection": "close",
            "api-version": version_of("/"),
            context.REQUEST_ID_KEY: context.accept_request_id(None),
        }
        lines = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
        self.transport.write(b"".join([STATUS_LINE[HTTPStatus.BAD_REQUEST], *lines, b"\r\n", content]))
        self.transport.close()
