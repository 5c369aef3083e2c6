"""What HTTP libraries do not show: bodies that are refused before they are sent, and what is no HTTP at all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlparse

import pytest

from tests.attacks.conftest import World

_LOGIN = "POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
_MIB = 1 << 20
_SECONDS = 20


@asynccontextmanager
async def connection(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection to the gateway."""
    url = urlparse(world.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], str]:
    """Status, headers and error code of the next answer, which has to come though the request may not be whole."""
    async with asyncio.timeout(_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(status.split()[1]), headers, json.loads(body)["error"] if body else ""


async def test_a_body_that_is_announced_as_too_large_is_not_asked_for(world: World) -> None:
    """413 instead of 100."""
    async with connection(world) as (reader, writer):
        writer.write(f"{_LOGIN}content-length: {2 * _MIB}\r\nexpect: 100-continue\r\n\r\n".encode())
        status, headers, error = await answer(reader)
    assert (413, "body_too_large") == (status, error)
    assert {"x-request-id", "api-version"} <= headers.keys()


async def test_a_body_that_is_good_is_asked_for(world: World) -> None:
    """100, then the answer."""
    body = json.dumps({"email": "nobody@example.com", "password": "of no account"}).encode()
    async with connection(world) as (reader, writer):
        writer.write(f"{_LOGIN}content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n".encode())
        async with asyncio.timeout(_SECONDS):
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        status, _, error = await answer(reader)
    assert (401, "invalid_credentials") == (status, error)


async def test_a_body_that_grows_too_large_is_refused_while_it_comes(world: World) -> None:
    """Its length is told nowhere, and its end has not come."""
    async with connection(world) as (reader, writer):
        writer.write(f"{_LOGIN}transfer-encoding: chunked\r\n\r\n".encode())
        for _ in range(18):
            writer.write(b"10000\r\n" + b" " * (1 << 16) + b"\r\n")
            await writer.drain()
        status, _, error = await answer(reader)
    assert (413, "body_too_large") == (status, error)


async def test_an_upload_that_is_announced_as_too_large_is_not_asked_for(world: World) -> None:
    """413 instead of 100, once it is known who asks."""
    async with world.attacking() as attacker, connection(world) as (reader, writer):
        writer.write(
            b"POST /api/v1/documents/upload HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
            b"content-type: multipart/form-data; boundary=x\r\n"
            + f"authorization: Bearer {attacker.person.token}\r\ncontent-length: {60 * _MIB}\r\n\r\n".encode()
        )
        status, _, error = await answer(reader)
    assert (413, "file_too_large") == (status, error)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9.9\r\n\r\n"])
async def test_what_is_no_http_is_told_so(world: World, sent: bytes) -> None:
    """400 in the one form, with an id."""
    async with connection(world) as (reader, writer):
        writer.write(sent)
        status, headers, error = await answer(reader)
        assert b"" == await reader.read()
    assert (400, "invalid_request", "close") == (status, error, headers["connection"])
    assert {"x-request-id", "api-version"} <= headers.keys()
