"""Files written durably below one folder: a file, its name and every new folder above it survive the machine's end."""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

_REMEMBERED = 10_000


class Folders:
    """The folder of a blob store. Its methods block; nothing here removes a folder, so what was synced stays so."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._synced: set[Path] = set()

    def write(self, key: str, content: bytes) -> None:
        """Puts a file in place, whole or not at all. Raises OSError."""
        path = self._root / key
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write_synced(part, content)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._sync_above(path)

    def sync(self, key: str) -> None:
        """Makes a file durable that somebody else put in place. Raises OSError."""
        _fsync(self._root / key)
        self._sync_above(self._root / key)

    def remove(self, key: str) -> None:
        """Removes a file for good. Raises OSError, FileNotFoundError for one that is not there."""
        path = self._root / key
        path.unlink()
        _fsync(path.parent)  # else it may be back after the machine's end

    def files(self, folder: str) -> Iterator[tuple[str, datetime]]:
        """Every file below the folder, by key, with the time of its last change; unfinished ones included.

        Raises OSError. What goes while one looks is left out.
        """
        for above, _, names in os.walk(self._root / folder):
            for name in names:
                path = Path(above, name)
                try:
                    changed = path.stat().st_mtime
                except FileNotFoundError:
                    continue
                yield str(path.relative_to(self._root)), datetime.fromtimestamp(changed, UTC)

    def _sync_above(self, path: Path) -> None:
        """The folder that got a name; the folders above it may have got one when this process first wrote there."""
        _fsync(path.parent)
        if path.parent in self._synced:
            return
        for folder in path.parent.parents:
            if folder.is_relative_to(self._root):
                _fsync(folder)
        if len(self._synced) >= _REMEMBERED:
            self._synced.clear()
        self._synced.add(path.parent)


def _write_synced(path: Path, content: bytes) -> None:
    """By as few system calls as can be: after each a busy event loop lets this thread wait for its turn."""
    handle = _create(path)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if not content:
            os.fsync(handle)
    finally:
        os.close(handle)


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_SYNC | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
