"""What a request asks for, as a hash: the same for a repeat, whatever boundary its form has or token it comes with."""

import hashlib
from collections.abc import AsyncIterator

from services.gateway.forms import FormEvent, PartBegan, PartData


class Fingerprint:
    """Grows while a request is read; holds no content."""

    def __init__(self, *parts: str) -> None:
        """`parts` is what counts beside the body."""
        self._hash = hashlib.sha256()
        for part in parts:
            self._take(part.encode())
        self.content_bytes = 0
        """How long the contents of the form's parts are together, so far."""

    def take_body(self, raw: bytes) -> None:
        """Takes a body that was read whole."""
        self._take(raw)

    async def following(self, events: AsyncIterator[FormEvent]) -> AsyncIterator[FormEvent]:
        """The events of a form, whose parts are taken as they pass, in whatever order they come."""
        parts: list[hashlib._Hash] = []
        async for event in events:
            if isinstance(event, PartBegan):
                parts.append(_named(event))
            elif isinstance(event, PartData) and parts:
                parts[-1].update(event.content)
                self.content_bytes += len(event.content)
            yield event
        for digest in sorted(part.digest() for part in parts):
            self._take(digest)

    def digest(self) -> bytes:
        """SHA-256 of what was taken."""
        return self._hash.digest()

    def _take(self, piece: bytes) -> None:
        self._hash.update(_framed(piece))


def _named(part: PartBegan) -> "hashlib._Hash":
    names = (part.name, "" if part.filename is None else f"file {part.filename}")
    return hashlib.sha256(b"".join(_framed(name.encode()) for name in names))


def _framed(piece: bytes) -> bytes:
    return len(piece).to_bytes(8, "big") + piece
