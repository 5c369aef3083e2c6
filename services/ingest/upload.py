"""Taking a file or a text in: hashed, measured and told apart while it streams, stored durably, then submitted."""

import codecs
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO
from uuid import uuid4

from mesh.blobs import Blobs, BlobWriter
from mesh.errors import InvalidArgument, TooMuch
from services.ingest.sniff import PLAIN_TEXT, sniff

SNIFF_BYTES = 1024
MAX_CHARACTERS = 1_000_000
_SUFFIXES = {
    "application/pdf": ".pdf",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tiff",
    PLAIN_TEXT: ".txt",
}


@dataclass(frozen=True)
class Stored:
    """A file in the blob store."""

    key: str
    mime_type: str
    size: int
    sha256: str


async def store(
    blobs: Blobs, organization_id: str, chunks: AsyncIterator[bytes], max_bytes: int, plain_text: bool = False
) -> Stored:
    """Stores the bytes under a new key; nothing stays behind when this raises.

    Raises InvalidArgument EMPTY_FILE or INVALID_FILE_TYPE, also of plain text that is no UTF-8, TooMuch FILE_TOO_LARGE
    as soon as a byte, or a character of plain text, is too many, Unavailable.
    """
    checked = _decodable(chunks) if plain_text else chunks
    async with aclosing(_measured(checked, max_bytes)) as measured:  # type: ignore[type-var]  # a generator it is
        first, mime_type = (await _head(measured), PLAIN_TEXT) if plain_text else await _recognized(measured)
        key = f"originals/{organization_id}/{uuid4()}{_SUFFIXES[mime_type]}"
        digest = hashlib.sha256()
        async with blobs.writer(key) as writer:
            size = await _write(writer, digest, first, measured)
    return Stored(key, mime_type, size, digest.hexdigest())


async def spool(file: IO[bytes], chunks: AsyncIterator[bytes], max_bytes: int) -> str:
    """Writes the bytes to a file that nobody keeps; their type by content. Raises as `store`."""
    async with aclosing(_measured(chunks, max_bytes)) as measured:  # type: ignore[type-var]  # a generator it is
        first, mime_type = await _recognized(measured)
        file.write(first)
        async for chunk in measured:
            file.write(chunk)
    file.flush()
    return mime_type


def display_name(sent: str) -> str:
    """The sent name without folders and control characters, at most 255 characters."""
    name = PurePath(sent.replace("\\", "/")).name
    return "".join(character for character in name if character.isprintable())[:255] or "document"


async def _decodable(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a text in UTF-8, its characters counted."""
    decoder, count = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        async for chunk in chunks:
            count += len(decoder.decode(chunk))
            if count > MAX_CHARACTERS:
                raise TooMuch(f"The text has more than {MAX_CHARACTERS} characters.", "FILE_TOO_LARGE")
            yield chunk
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise InvalidArgument("The text is no UTF-8.", "INVALID_FILE_TYPE") from error


async def _measured(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            limit = f"{max_bytes / (1 << 20):g}"
            raise TooMuch(f"The file is larger than {limit} MiB.", "FILE_TOO_LARGE", limit_bytes=str(max_bytes))
        if chunk:
            yield chunk


async def _recognized(chunks: AsyncIterator[bytes]) -> tuple[bytes, str]:
    first = await _head(chunks)
    mime_type = sniff(first[:SNIFF_BYTES])
    if mime_type is None:
        raise InvalidArgument("The content is no PDF, PNG, JPEG or TIFF.", "INVALID_FILE_TYPE")
    return first, mime_type


async def _head(chunks: AsyncIterator[bytes]) -> bytes:
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= SNIFF_BYTES:
            return head
    if not head:
        raise InvalidArgument("The file is empty.", "EMPTY_FILE")
    return head


async def _write(writer: BlobWriter, digest: "hashlib._Hash", first: bytes, rest: AsyncIterator[bytes]) -> int:
    size = 0
    piece: bytes | None = first
    while piece is not None:
        digest.update(piece)
        size += len(piece)
        await writer.write(piece)
        piece = await anext(rest, None)
    return size
