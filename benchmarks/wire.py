"""A minimal HTTP/1.1 client for load: keep-alive, one request at a time a connection, bodies by Content-Length.

It parses only what a measurement needs, because client and servers share the same cores.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import urlsplit

BOUNDARY = "pagemesh-benchmark-3f8a1c"
_HEAD_END = b"\r\n\r\n"


class BadAnswer(RuntimeError):
    """The server closed the connection or answered what this client does not read."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    @classmethod
    def of(cls, base_url: str) -> Self:
        """The address of a base URL. Raises ValueError when that is not plain http with a host."""
        base = urlsplit(base_url)
        if base.scheme != "http" or base.hostname is None:
            raise ValueError(f"not a plain http URL: {base_url}")
        return cls(base.hostname, base.port or 80)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: its status, raw head (status line and header lines) and body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, in any case; None without one."""
        wanted = name.lower().encode()
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == wanted:
                return value.strip().decode("latin-1")
        return None


def body_length(head: bytes) -> int:
    """Bytes that follow the head. Raises BadAnswer without a Content-Length, unless the status has no body."""
    lowered = head.lower()
    start = lowered.find(b"\r\ncontent-length:")
    if start >= 0:
        end = lowered.find(b"\r\n", start + 2)
        return int(lowered[start + 17 : end if end >= 0 else None])
    if head[9:12] in (b"204", b"304"):
        return 0
    raise BadAnswer(f"no Content-Length: {head[:200]!r}")


def answer_size(data: bytes | bytearray) -> int | None:
    """Length in bytes of the answer that `data` starts with; None while its head is incomplete."""
    end = data.find(_HEAD_END)
    return None if end < 0 else end + 4 + body_length(bytes(data[:end]))


def request_bytes(method: str, path: str, host: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A whole request, ready to be written again and again."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def multipart(fields: Mapping[str, str], field: str, filename: str, content: bytes, media_type: str) -> bytes:
    """The multipart/form-data body (RFC 7578) of plain `fields` and one file, delimited by BOUNDARY."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    disposition = f'form-data; name="{field}"; filename="{filename}"'
    parts.append(f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n")
    return "".join(parts).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


class Connection(asyncio.Protocol):
    """A keep-alive connection: `await exchange(request)` gives the answer."""

    def __init__(self) -> None:
        """Unconnected; `open` connects."""
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect to the service at `address`."""
        _, protocol = await asyncio.get_running_loop().create_connection(cls, address.host, address.port)
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self._transport = cast("asyncio.Transport", transport)

    async def exchange(self, request: bytes) -> Answer:
        """Send one request and wait for its answer. Raises BadAnswer when the connection is or gets closed."""
        if self._transport is None or self._transport.is_closing():
            raise BadAnswer("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        """Collect bytes until the answer is whole."""
        self._received += data
        try:
            size = answer_size(self._received)
        except BadAnswer as error:
            self._settle(error)
            return
        if size is not None and len(self._received) >= size:
            head, _, body = bytes(self._received[:size]).partition(_HEAD_END)
            del self._received[:size]
            self._settle(Answer(int(head[9:12]), head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that still waits gets BadAnswer."""
        self._settle(BadAnswer(f"connection lost: {exc}"))

    def _settle(self, outcome: Answer | BadAnswer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if isinstance(outcome, Answer):
            waiting.set_result(outcome)
        else:
            waiting.set_exception(outcome)

    def close(self) -> None:
        """Close the connection; nothing may be waiting."""
        if self._transport is not None:
            self._transport.close()
