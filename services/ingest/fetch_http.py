"""Originals by http and https: every address judged, redirects followed by hand, nothing believed but the bytes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import httpx

from mesh.addresses import Allowed, check_url
from mesh.errors import InvalidArgument
from services.ingest.fetch import FetchFault, Remote

REDIRECTS: Final = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
# Beside what servers of 500 and above say: RFC 9110 section 15.5.9, RFC 8470, RFC 6585.
_MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
# What is compressed on the way could grow beyond measure in one step.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "Pagemesh"}


class HttpOpener:
    """Opens URLs."""

    def __init__(self, client: httpx.AsyncClient, allowed: Allowed) -> None:
        """`client` is one of `mesh.outgoing`: it connects to judged addresses alone."""
        self._client = client
        self._allowed = allowed

    @asynccontextmanager
    async def __call__(self, address: str, organization_id: str) -> AsyncIterator[Remote]:
        """What the URL leads to. Raises FetchFault."""
        with _translated():
            response = await self._followed(address)
            try:
                yield Remote(_body(response), _name(response), _size(response))
            finally:
                await response.aclose()

    async def _followed(self, address: str) -> httpx.Response:
        """The answer at the end of at most `REDIRECTS` redirects, each judged like the first address."""
        for _ in range(REDIRECTS + 1):
            url = check_url(address, allowed=self._allowed).url
            request = self._client.build_request("GET", url, headers=_HEADERS)
            response = await self._client.send(request, stream=True)
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTING or location is None:
                return await _good(response)
            await response.aclose()
            address = str(response.url.join(location))
        raise FetchFault("fetch_failed", f"It redirects more than {REDIRECTS} times.")


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what HTTP and addresses raise into faults."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise FetchFault("fetch_timeout", "The server took too long.", may_pass=True) from error
    except httpx.TransportError as error:
        raise FetchFault("fetch_failed", "The connection failed, or broke off.", may_pass=True) from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise FetchFault("fetch_failed", "It redirects to what is no URL.") from error
    except InvalidArgument as error:
        code = error.code if error.reason == "ADDRESS_NOT_ALLOWED" else "fetch_failed"
        raise FetchFault(code, error.message) from error


async def _good(response: httpx.Response) -> httpx.Response:
    status = response.status_code
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if status == HTTPStatus.OK and encoding in ("", "identity"):
        return response
    await response.aclose()
    if status == HTTPStatus.OK:
        raise FetchFault("fetch_failed", "The server compresses what was asked for as it is.")
    may_pass = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _MAY_PASS
    raise FetchFault("fetch_failed", f"The server answered {status}.", may_pass)


async def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    with _translated():
        async for chunk in response.aiter_raw():
            yield chunk


def _name(response: httpx.Response) -> str:
    """As the server says (RFC 6266), else the last part of the path."""
    field = Message()
    field["content-disposition"] = response.headers.get("content-disposition", "")
    with suppress(UnicodeError):  # a character set that is none
        if name := field.get_filename():
            return name
    return unquote(response.url.path.rpartition("/")[2])


def _size(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None
