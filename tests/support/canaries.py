"""Words that must not be found, and a search for them in every byte of some directories, however they are written."""

import base64
import re
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Streams of zlib (RFC 1950) and gzip (RFC 1952).
_DEFLATED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_ANY_WRAPPER = 32 + zlib.MAX_WBITS
_INFLATED_BYTES = 1 << 20
_STEP_BYTES = 1 << 10
_PIECE_BYTES = 48


@dataclass
class Canaries:
    """Words by where they were planted, and pieces of whole files."""

    words: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, bytes] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """A new word that is nowhere else."""
        return self.words.setdefault(name, f"canary{name}{uuid.uuid4().hex[:12]}")

    def pdf(self, name: str, content: bytes) -> bytes:
        """The file, whose identifier (PDF 32000-1:2008, 14.4) must not be found."""
        start = content.rindex(b"/ID")
        self.pieces[name] = content[start : start + _PIECE_BYTES]
        return content

    def found(self, *directories: Path) -> set[str]:
        """Names of what is found in the files below the directories."""
        needles = [*self._written(), *self.pieces.items()]
        readings = (content for path in _files(directories) for content in _readings(path))
        return {name for content in readings for name, needle in needles if needle in content}

    def _written(self) -> Iterator[tuple[str, bytes]]:
        return ((name, written) for name, word in self.words.items() for written in _encodings(word))


def _encodings(word: str) -> Iterator[bytes]:
    """The word as text, as two bytes a character, as hexadecimal digits, and as Base64 wherever it may begin."""
    raw = word.encode()
    yield from (raw, word.encode("utf-16-le"), word.encode("utf-16-be"), raw.hex().encode(), raw.hex().upper().encode())
    for offset in range(3):
        # Characters at both ends depend on what stands beside the word.
        yield base64.b64encode(b"\0" * offset + raw)[2 if offset else 0 :][2:-4]


def _files(directories: tuple[Path, ...]) -> Iterator[Path]:
    return (path for directory in directories for path in directory.rglob("*") if path.is_file())


def _readings(path: Path) -> Iterator[bytes]:
    """The file's bytes, and those of every compressed stream in it."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, PermissionError):  # it was a file of a moment, or is a socket's lock
        return
    yield content
    whole = memoryview(content)
    for match in _DEFLATED.finditer(content):
        inflated = bytearray()
        inflater = zlib.decompressobj(_ANY_WRAPPER)
        with suppress(zlib.error):  # as a rule it is no stream at all, or one that is cut off
            for start in range(match.start(), len(content), _STEP_BYTES):
                inflated += inflater.decompress(whole[start : start + _STEP_BYTES], _INFLATED_BYTES)
                if inflater.eof or inflater.unconsumed_tail or len(inflated) > _INFLATED_BYTES:
                    break
        if inflated:
            yield bytes(inflated)
