"""API keys exchanged for short access tokens, each kept for most of its life."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pagemesh.auth.v1 import keys_pb2

PREFIX = "pmk_"
_CAPACITY = 10_000
_MARGIN_SECONDS = 15.0

Ask = Callable[[str], Awaitable[keys_pb2.ExchangeApiKeyResponse]]


class KeyExchange:
    """Tokens by key, asked for once for all who send the key at the same time. Keys are kept as hashes alone."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._tokens: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[str]] = {}

    async def token(self, key: str) -> str:
        """A token for the key. Raises Unauthenticated, Unavailable."""
        name = _name(key)
        token, until = self._tokens.get(name, ("", 0.0))
        return token if until > time.monotonic() else await self._asked(name, key)

    def forget(self, key: str) -> None:
        """Drops the token: it is dead, which does not say that the key is."""
        self._tokens.pop(_name(key), None)

    async def _asked(self, name: bytes, key: str) -> str:
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._exchange(name, key))
            task.add_done_callback(lambda done: self._answered(name, done))
        return await asyncio.shield(task)

    async def _exchange(self, name: bytes, key: str) -> str:
        answer = await self._ask(key)
        until = time.monotonic() + answer.expires_in - _MARGIN_SECONDS
        self._tokens[name] = (answer.access_token, until)
        if len(self._tokens) > _CAPACITY:
            self._tokens.popitem(last=False)
        return answer.access_token

    def _answered(self, name: bytes, task: asyncio.Task[str]) -> None:
        del self._asking[name]
        if not task.cancelled():
            task.exception()  # told to those who wait; when all of them left, to nobody


def _name(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
