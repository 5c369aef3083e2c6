"""Files that exist in memory alone, for programs that read files: Linux's memfd_create(2).

Another process of the same user reads one by its path under `/proc`, as long as it is open here. The path names a
number that is used again after that: whoever is given the path must have ended before the file is closed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def memory_file() -> Iterator[IO[bytes]]:
    """A new file, gone when the block ends."""
    with os.fdopen(os.memfd_create("pagemesh", os.MFD_CLOEXEC), "w+b", buffering=0) as file:
        yield file


def path_of(file: IO[bytes]) -> Path:
    """The path by which other processes read the file."""
    return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")


def readable(path: str | Path) -> Path | bytes:
    """What a library is to open that resolves paths to files' names: a file in memory has none, so its content."""
    path = Path(path)
    return path.read_bytes() if path.parts[:2] == ("/", "proc") else path
