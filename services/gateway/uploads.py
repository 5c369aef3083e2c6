"""Uploads: from a multipart form, as it comes in, to a sink, without ever holding the whole file.

Ingest wants to know what to do with a file before its first byte, but a form may send its fields in any order. So the
beginning of the file is held back: a file that fits into what may be held lets its fields come after it. Of a larger
file everything must be known before its bytes outgrow what is held.
"""

import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mesh.errors import InvalidArgument, PagemeshError
from services.gateway.forms import FormEvent, PartBegan, PartData
from services.gateway.problems import invalid

FILE = "file"
CHUNK_BYTES = 256 << 10
_LONGEST_NAME = 255
_FIELD_BYTES = 64 << 10
_FIELDS_BYTES = 256 << 10


class Sink(Protocol):
    """Where the bytes of a file go."""

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes, at most `CHUNK_BYTES`."""


@dataclass(slots=True)
class Head:
    """What is known of a form when its file begins to flow."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None

    @property
    def safe_filename(self) -> str:
        """The name as sent but for control characters, and at most 255 characters of it."""
        kept = "".join(char for char in self.filename or "" if unicodedata.category(char) not in ("Cc", "Cs"))
        return kept[:_LONGEST_NAME] or "document"


Opener = Callable[[Head], Awaitable[Sink]]
"""Validates the fields and opens a sink. Raises a PagemeshError."""


class UploadReader:
    """Reads one form."""

    def __init__(self, events: AsyncIterator[FormEvent], open_sink: Opener, max_bytes: int, held_bytes: int) -> None:
        self._events = events
        self._open_sink = open_sink
        self._max_bytes = max_bytes
        self._held_bytes = held_bytes
        self._head = Head()
        self._values: dict[str, bytearray] = {}
        self._part: str | None = None
        self._size = 0
        self._pending = bytearray()
        self._sink: Sink | None = None

    async def run(self) -> None:
        """Reads to the end of the form. Raises InvalidArgument, with FILE_TOO_LARGE as soon as the file is."""
        async for event in self._events:
            if isinstance(event, PartBegan):
                self._begin(event)
            elif isinstance(event, PartData):
                await self._take(event.content)
        await self._finish()

    def _begin(self, part: PartBegan) -> None:
        is_file = part.name == FILE
        if part.name in self._values or (is_file and self._head.filename is not None):
            raise invalid({part.name: "Given twice."})
        if self._sink is not None:
            raise InvalidArgument(
                f"The field {part.name!r} comes after a file that is too large to be held back: send fields first.",
                "INVALID_REQUEST",
            )
        self._part = part.name
        if is_file:
            self._head.filename = part.filename or "document"
        else:
            self._values[part.name] = bytearray()

    async def _take(self, content: bytes) -> None:
        if self._part == FILE:
            await self._take_file(content)
        elif self._part is not None:
            self._take_field(self._part, content)

    def _take_field(self, name: str, content: bytes) -> None:
        self._values[name] += content
        if len(self._values[name]) > _FIELD_BYTES or sum(map(len, self._values.values())) > _FIELDS_BYTES:
            raise invalid({name: f"Longer than {_FIELD_BYTES} bytes."})

    async def _take_file(self, content: bytes) -> None:
        self._size += len(content)
        if self._size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._pending += content
        if self._sink is None and len(self._pending) > self._held_bytes:
            self._sink = await self._open()
        if self._sink is not None:
            await self._flush(self._sink, CHUNK_BYTES)

    async def _finish(self) -> None:
        if self._head.filename is None:
            raise invalid({FILE: "Field required"})
        sink = self._sink or await self._open()
        await self._flush(sink, 1)

    async def _open(self) -> Sink:
        self._head.fields = _decoded(self._values)
        return await self._open_sink(self._head)

    async def _flush(self, sink: Sink, at_least: int) -> None:
        while len(self._pending) >= at_least:
            chunk = bytes(self._pending[:CHUNK_BYTES])
            del self._pending[:CHUNK_BYTES]
            await sink.write(chunk)


def too_large(max_bytes: int) -> PagemeshError:
    """The error of a file over the limit."""
    return InvalidArgument(f"The file is larger than {max_bytes} bytes.", "FILE_TOO_LARGE", limit_bytes=str(max_bytes))


def _decoded(values: Mapping[str, bytearray]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, raw in values.items():
        try:
            fields[name] = raw.decode()
        except UnicodeDecodeError as error:
            raise invalid({name: "Not UTF-8."}) from error
    return fields
