"""Held requests through the real server: what a client may do meanwhile, and that nothing is left of who leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cli.ports import LOOPBACK
from mesh.identity import Identity
from services.gateway.credentials import Credentials
from services.gateway.held import Holding
from tests.support.gateway_mesh import Mesh
from tests.support.live import Person, Served, served

_LONG = 200_000
_STATUS = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def server(mesh: Mesh) -> AsyncIterator[Served]:
    async with served(mesh) as running:
        yield running


@pytest.fixture
def request_of(mesh: Mesh) -> Callable[..., bytes]:
    person = Person(mesh)
    path, token = f"/api/v1/jobs/{person.job().id}", person.token()

    def request(more: str = "", wait: int = 30, **headers: object) -> bytes:
        lines = {"Host": LOOPBACK, "Authorization": f"Bearer {token}", **headers}
        if not more:
            lines["Prefer"] = f"wait={wait}"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"GET {path}{more} HTTP/1.1\r\n{head}\r\n".encode()

    return request


@pytest.mark.parametrize("more", ["", "/events"])
async def test_leaving(mesh: Mesh, server: Served, request_of: Callable[..., bytes], more: str) -> None:
    """Nothing is held any more for a client that has left, however it leaves."""
    (_, ends), (_, breaks_off) = [await _sent(server, request_of(more)) for _ in range(2)]
    await _until(mesh.gateway.holding, 2)
    ends.close()
    await _until(mesh.gateway.holding, 1)
    breaks_off.transport.abort()
    await _until(mesh.gateway.holding, 0)


async def test_leaving_before(
    mesh: Mesh, server: Served, request_of: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves while the credential is being verified is not held afterwards."""
    verify, asked, goes_on = Credentials.verify, asyncio.Event(), asyncio.Event()

    async def slowly(credentials: Credentials, credential: str) -> Identity:
        asked.set()
        await goes_on.wait()
        return await verify(credentials, credential)

    monkeypatch.setattr(Credentials, "verify", slowly)
    _, writer = await _sent(server, request_of())
    await asked.wait()
    writer.transport.abort()
    await asyncio.sleep(0.1)
    goes_on.set()
    await asyncio.sleep(0.3)
    await _until(mesh.gateway.holding, 0)


async def test_leaving_within_a_body(mesh: Mesh, server: Served, request_of: Callable[..., bytes]) -> None:
    """A request that says it has a body is held without it: what comes of that is taken and dropped."""
    _, writer = await _sent(server, request_of(**{"Content-Length": 2 * _LONG}))
    await _until(mesh.gateway.holding, 1)
    writer.write(b"x" * _LONG)
    await writer.drain()
    writer.close()
    await _until(mesh.gateway.holding, 0)


async def test_next_request(mesh: Mesh, server: Served, request_of: Callable[..., bytes]) -> None:
    """What a client asks meanwhile on the same connection, in pieces, is answered after what is held."""
    reader, writer = await _sent(server, request_of(wait=1))
    await _until(mesh.gateway.holding, 1)
    following = request_of(wait=0)
    for piece in (following[:20], following[20:]):
        writer.write(piece)
        await asyncio.sleep(0.1)
    assert [b"wait=1", b"wait=0"] == [await _applied(reader), await _applied(reader)]
    writer.close()


async def test_answered_after_rest(mesh: Mesh, server: Served, request_of: Callable[..., bytes]) -> None:
    """A connection is used again after its request was held."""
    reader, writer = await _sent(server, request_of(wait=1))
    assert b"wait=1" == await _applied(reader)
    writer.write(request_of(wait=0))
    assert b"wait=0" == await _applied(reader)
    writer.close()


async def test_stop(mesh: Mesh, server: Served, request_of: Callable[..., bytes]) -> None:
    """A gateway that stops answers what is held."""
    reader, writer = await _sent(server, request_of())
    await _until(mesh.gateway.holding, 1)
    server.stop.set()
    assert b"wait=30" == await _applied(reader)
    await asyncio.wait_for(server.ended.wait(), 5)
    assert 0 == len(mesh.gateway.holding)
    writer.close()


async def _sent(server: Served, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    writer.write(request)
    return reader, writer


async def _applied(reader: asyncio.StreamReader) -> bytes:
    """How long the next answer says that it waited."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(_STATUS)
        lines = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
        await reader.readexactly(int(lines[b"content-length"]))
        return lines[b"preference-applied"]


async def _until(holding: Holding, count: int) -> None:
    """Returns when so many requests are held. Raises TimeoutError."""
    async with asyncio.timeout(5):
        while len(holding) != count:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
