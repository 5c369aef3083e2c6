"""HTTP to providers: bounded in time and size, without following redirects, and without anything of theirs in errors.

A provider that is away, slow, verbose or confused is Unavailable; its refusals are the dialects' to understand.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

from mesh.errors import InvalidArgument, Unavailable

log = logging.getLogger(__name__)

_LARGEST = 1 << 18
_SECONDS = 5.0
_TOGETHER_SECONDS = 8.0
_RETRY_SECONDS = 5
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "pagemesh"}
# What a token endpoint says of a code that is no good: RFC 6749 section 5.2, and GitHub's word for it. Anything else
# it says of the client, whom the operator configured.
_CODE_REFUSED = frozenset({"invalid_grant", "invalid_request", "bad_verification_code"})


class Outgoing:
    """The way to one provider."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._tls = httpx2.create_ssl_context()

    @asynccontextmanager
    async def client(self, **registration: Any) -> AsyncIterator[AsyncOAuth2Client]:
        """A client for one exchange, which may take 8 s in all: tokens of two people never meet in one.

        `registration` is what the provider knows us by. Raises Unavailable, and InvalidArgument (INVALID_OAUTH_CODE)
        when the provider refuses the code.
        """
        try:
            async with (
                asyncio.timeout(_TOGETHER_SECONDS),
                AsyncOAuth2Client(
                    **registration,
                    verify=self._tls,
                    headers=_HEADERS,
                    timeout=_SECONDS,
                    follow_redirects=False,
                    event_hooks={"response": [_bound]},
                ) as client,
            ):
                yield client
        except OAuthError as error:
            raise self._refused(str(error.error)) from error
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise self._away(type(error).__name__) from error

    def _refused(self, code: str) -> Exception:
        if code in _CODE_REFUSED:
            return wrong_code()
        return self._away(f"the token endpoint says {code[:100]!r}")

    def _away(self, reason: str) -> Unavailable:
        log.warning("a sign-in provider does not do its part", extra={"provider": self._provider, "reason": reason})
        message = f"{self._provider} cannot be reached. Try again shortly."
        return Unavailable(message, dependency=self._provider, retry_after=str(_RETRY_SECONDS))


async def fetch_json(client: AsyncOAuth2Client, url: str, access_token: str = "") -> Any:
    """What the URL answers, as the holder of the token. Raises httpx2.HTTPError, ValueError, inside `client` only."""
    headers = {"authorization": f"Bearer {access_token}"} if access_token else {}
    response = await client.request("GET", url, withhold_token=True, headers=headers)
    response.raise_for_status()
    return response.json()


def wrong_code() -> InvalidArgument:
    """The error of a code that proves nobody, whyever."""
    return InvalidArgument("The code is not one that the provider vouches for. Begin again.", "INVALID_OAUTH_CODE")


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error when it grows too large."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > _LARGEST:
                raise ValueError(f"more than {_LARGEST} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("compressed, which was not asked for")  # it could unfold to any size
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)
