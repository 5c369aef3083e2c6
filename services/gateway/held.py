"""Requests that are held: long polls and event streams, thousands at a time.

What takes a request in is some twenty calls deep: middleware, routing, credential, limits. A request that is held
leaves all that first. Its endpoint returns a `HeldResponse`, which only puts itself down; when the calls above have
returned, `Framed` has `Holding` run it, close to the server. It is held until it is done, its client has left, or the
credential that it came with is dead.
"""

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from mesh.errors import PagemeshError, Unauthenticated
from mesh.identity import Identity
from services.gateway import problems
from services.gateway.http_protocol import ON_LEFT
from services.gateway.visits import Visit
from services.gateway.warm import VARY

_HELD = "pagemesh.held"
_OURS = "pagemesh."
_NEEDED = frozenset({"type", "http_version", "method", "path", "query_string", "headers", "client"})
_NO_SCOPE: Scope = {"type": "http"}

Run = Callable[[Visit, Send], Awaitable[None]]
"""Answers the request, however long that takes; ends soon after the visit has been ended. May raise a PagemeshError
as long as nothing was sent."""


class HeldResponse(Response):
    """What an endpoint returns for a request that is to be held."""

    def __init__(self, caller: Identity, run: Run, head: Response | None = None) -> None:
        """`head` answers HEAD, which need not be held where headers say nothing of what comes."""
        super().__init__()
        self.head = head
        self._caller = caller
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Puts down what is to be run."""
        deep = None
        if any(name == b"origin" for name, _ in scope["headers"]):
            deep = send  # it knows what pages of that origin must be told
        else:
            scope["headers"].clear()  # a good part of what is held would be the credential
        scope[_HELD] = _Held(self._caller, self._run, deep)


class _Held:
    """A request that is held; small, since there are thousands."""

    __slots__ = ("caller", "run", "send", "visit")

    def __init__(self, caller: Identity, run: Run, send: Send | None) -> None:
        self.visit = Visit()
        self.caller = caller
        self.run = run
        self.send = send


class Holding:
    """All requests that are held."""

    def __init__(self, denies: Callable[[Identity], bool]) -> None:
        self._denies = denies
        self._held: set[_Held] = set()

    def __len__(self) -> int:
        return len(self._held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Holds a request that was put down to be held; does nothing for others."""
        if (held := scope.pop(_HELD, None)) is not None:
            await self._hold(held, _Sending(held.send, send), scope, receive)

    async def _hold(self, held: _Held, send: "_Sending", scope: Scope, receive: Receive) -> None:
        self._held.add(held)
        if (on_left := scope.pop(ON_LEFT, None)) is not None:
            on_left(held.visit.end)
        _strip(scope)
        try:
            await held.run(held.visit, send)
            if held.visit.denied and not send.begun:
                raise Unauthenticated("The credential is malformed, expired or revoked.")
        except PagemeshError as error:
            if send.begun:
                raise
            answer = await problems.on_error(Request(scope), error)
            await answer(scope, receive, send)
        finally:
            self._held.discard(held)

    def look(self) -> None:
        """Ends what is held for credentials that have died."""
        now = time.time()
        for held in self._held:
            if self._denies(held.caller):
                held.visit.deny()
            elif held.caller.expires_at <= now:
                # Behind an API key is a token that ends earlier: its poll is answered, its stream is resumed.
                held.visit.end() if held.caller.key_id else held.visit.deny()


class _Sending:
    """Sends, and knows whether it did; what every answer has of the CORS layer it adds where that is left out."""

    __slots__ = ("_deep", "_send", "begun")

    def __init__(self, deep: Send | None, shallow: Send) -> None:
        self._send = deep or shallow
        self._deep = deep is not None
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if not self.begun and not self._deep:
            message = {**message, "headers": [*message["headers"], VARY]}
        self.begun = True
        await self._send(message)


async def send_whole(response: Response, send: Send) -> None:
    """Sends a response that needs nothing of its request."""
    await response(_NO_SCOPE, _no_receive, send)


async def _no_receive() -> Message:
    return {"type": "http.disconnect"}


def _strip(scope: Scope) -> None:
    """Removes what was needed to let the request in, and is as large as all that holds it."""
    kept = {name: value for name, value in scope.items() if name in _NEEDED or name.startswith(_OURS)}
    scope.clear()
    scope.update(kept)
