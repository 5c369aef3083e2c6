"""Where one installation keeps what: the data directory, its secrets and its sockets."""

import hashlib
import os
import secrets
import stat
import tempfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

# A Unix socket's path has 108 bytes, its final zero included; the longest name below is PostgreSQL's.
_SOCKET_PATH_BYTES = 100
_LONGEST_SOCKET = "postgres/.s.PGSQL.5432.lock"


class Layout:
    """The paths of one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.run = self.root / "run"
        self.nats = self.root / "nats"
        self.postgres = self.root / "postgres"
        self.blobs = self.root / "blobs"
        self.log = self.root / "log" / "pagemesh.log"
        self.secrets = self.root / "secrets"
        self.credentials = self.root / "credentials.json"
        self.stack_file = self.run / "stack.json"
        self.lock_file = self.run / "lock"
        self.sockets = self._socket_directory()

    def create(self) -> None:
        """Makes the directories, open to their owner alone. Raises OSError when that cannot be done."""
        for directory in (self.root, self.run, self.nats, self.postgres, self.blobs, self.log.parent, self.secrets):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        _check_private(self.sockets)

    def socket(self, name: str) -> Path:
        """The socket on which a service listens."""
        return self.sockets / f"{name}.sock"

    def secret(self, name: str) -> str:
        """A random secret, 43 characters, made once."""
        return self.secret_file(name, lambda: secrets.token_urlsafe(32)).read_text(encoding="ascii").strip()

    def known_secret(self, name: str) -> str:
        """A secret that was made before. Raises OSError."""
        return (self.secrets / name).read_text(encoding="ascii").strip()

    def master_key(self) -> Path:
        """The file with the key that encrypts what `auth` stores: 32 random bytes in base64."""
        return self.secret_file("master.key", lambda: b64encode(secrets.token_bytes(32)).decode())

    def secret_file(self, name: str, make: Callable[[], str]) -> Path:
        """The file of a secret, written once with mode 0600."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make() + "\n")
        return path

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.run / _LONGEST_SOCKET)) <= _SOCKET_PATH_BYTES:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"pagemesh-{os.getuid()}-{digest}"


def default_data_directory() -> Path:
    """`PAGEMESH_DATA`, or `pagemesh` where the user's programs keep data (XDG Base Directory Specification)."""
    if given := os.environ.get("PAGEMESH_DATA"):
        return Path(given)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "pagemesh"


def write_private(path: Path, text: str) -> None:
    """Replaces a file that only its owner may read, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _check_private(directory: Path) -> None:
    # The temporary directory is everyone's: somebody else may have made this one before us.
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o066:
        raise PermissionError(f"{directory} is not a directory of ours alone")
