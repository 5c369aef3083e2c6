"""Replacing the master key of an installation: where its keys and its record are, and in which order they change.

It works on the record itself, beside whatever runs, and needs the same master keys as `auth`: those of the environment,
or the file of the data directory, which it then changes itself.
"""

import fcntl
import os
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pydantic import SecretStr, ValidationError

from cli.layout import Layout, write_private
from cli.postgres import Postgres
from cli.state import load
from mesh import db
from services.auth import master_keys
from services.auth.rotation import Rotated, Rotation
from services.auth.settings import AuthSettings
from services.auth.store import SCHEMA, Store

_GIVEN = ("PAGEMESH_MASTER_KEY", "PAGEMESH_MASTER_KEY_FILE")


class CannotRotateError(Exception):
    """There is nothing to work on; says a code and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def rotate(layout: Layout) -> Rotated:
    """Wraps everything by another master key; a repeat goes on where one was broken off.

    Raises CannotRotateError, WrongMasterKey, Unavailable.
    """
    url = _database_url(layout)
    if any(os.environ.get(name) for name in _GIVEN):
        return await _with_given_keys(url)
    with _alone(layout):
        return await _with_own_key(layout.secrets / "master.key", url)


async def _with_given_keys(url: str) -> Rotated:
    """Those of the environment, as `auth` reads them; whoever gives them changes them."""
    try:
        keys = AuthSettings(database_url=SecretStr(url)).master_keys()
    except ValidationError as error:
        raise CannotRotateError("bad_settings", str(error)) from error
    async with _store(url) as store:
        return await Rotation(store, keys).run()


async def _with_own_key(file: Path, url: str) -> Rotated:
    """The one of the data directory. The file holds both keys until nothing is left under the old one."""
    keys = _own_keys(file)
    async with _store(url) as store:
        if len(keys) == 1:  # else an earlier run was broken off
            await Rotation(store, keys).check()
            keys = (secrets.token_bytes(master_keys.KEY_BYTES), *keys)
            _write(file, keys)
        done = await Rotation(store, keys).run()
    _write(file, keys[:1])
    return done


def _own_keys(file: Path) -> tuple[bytes, ...]:
    try:
        if file.stat().st_uid != os.geteuid():
            raise CannotRotateError("wrong_user", f"{file} belongs to another user; run this as that one.")
        return master_keys.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"There is no master key in {file}, and none of {', '.join(_GIVEN)} is set."
        raise CannotRotateError("no_master_key", message) from error


def _write(file: Path, keys: Sequence[bytes]) -> None:
    """Replaces the file for good: what is recorded next must not outlive its key."""
    write_private(file, "".join(f"{b64encode(key).decode()}\n" for key in keys))
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _database_url(layout: Layout) -> str:
    if given := os.environ.get("PAGEMESH_DATABASE_URL"):
        return given
    state = load(layout)
    if state is None or "postgres" not in state.sockets:
        message = f"No database runs in {layout.root}: start the stack, or set PAGEMESH_DATABASE_URL."
        raise CannotRotateError("no_database", message)
    return Postgres(layout.postgres, Path(state.sockets["postgres"])).url


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[Store]:
    engine = db.connect(url, SCHEMA, pool_size=1)
    try:
        yield Store(engine)
    finally:
        await engine.dispose()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Two that make a new key each would lose one. Raises CannotRotateError."""
    try:
        descriptor = os.open(layout.run / "rotation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRotateError("no_database", f"{layout.root} is no data directory of ours.") from error
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotRotateError("rotation_in_progress", "Another process is rotating the master key.") from error
