"""A web server of the rawest sort: each path says what it does, well or badly, byte by byte."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Origin:
    """Serves on loopback; `asked` counts requests by path."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.paths: dict[str, Serve] = {}
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def says(self, path: str, *answers: bytes, then: float = 0.0) -> str:
        """Has a path answered: the first request by the first of these, the last of them for ever, then a pause."""

        async def serve(writer: asyncio.StreamWriter) -> None:
            writer.write(answers[min(self.asked[path], len(answers)) - 1])
            await writer.drain()
            await asyncio.sleep(then)

        return self.does(path, serve)

    def does(self, path: str, serve: Serve) -> str:
        """Has a path answered in whatever way; its URL."""
        self.paths[path] = serve
        return self.url + path

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection, which ends with its answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode().partition("?")[0]
            self.asked[path] += 1
            await self.paths.get(path, _unknown)(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _unknown(writer: asyncio.StreamWriter) -> None:
    writer.write(response(b"", "404 Not Found"))


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer; names of headers have underscores for hyphens."""
    fields = {"content_length": str(len(body)), "connection": "close"} | headers
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    """One, which serves inside the block."""
    served = Origin()
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
