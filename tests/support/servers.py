"""Fixtures with real servers, started once a session and ended by their own pids whatever becomes of the tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from cli import nats
from cli.background import NO_LIMITS, Background, background_stack
from cli.ports import LOOPBACK, free_ports
from cli.postgres import Postgres, database_url
from cli.processes import ChildSpec, as_user, die_with_parent

_START_SECONDS = 20.0
_Server = TypeVar("_Server", bound="ServerProcess")


class ServerProcess:
    """One server, run as `pagemesh up` runs it."""

    def __init__(self, spec: ChildSpec, log: Path, answers: Callable[[], bool]) -> None:
        self._spec = spec
        self._log = log
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Pid of the running server."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        self._spec.prepare()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._spec.argv,
                env=self._spec.env,
                cwd=self._spec.directory,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(self._spec.orphan_signal),
                **as_user(self._spec.user),
            )
        ends = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text(errors="replace")
            assert time.monotonic() < ends, self._log.read_text(errors="replace")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops the server as an operator would; one that is down already stays down."""
        self._end(self._spec.stop_signal)

    def kill(self) -> None:
        """Kills the server outright."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class NatsServer(ServerProcess):
    """A NATS server with JetStream that keeps its address and, until wiped, its store."""

    def __init__(self, directory: Path) -> None:
        port, token = free_ports(1)[0], uuid.uuid4().hex
        self.url = nats.url(port, token)
        self._directory = directory
        super().__init__(nats.spec(directory, port, token), directory / "log", lambda: _accepts(port))

    def wipe(self) -> None:
        """Kills the server, empties its store and starts it again."""
        self.kill()
        shutil.rmtree(self._directory / "js", ignore_errors=True)
        self.start()


class PostgresServer(ServerProcess):
    """A PostgreSQL server."""

    def __init__(self, directory: Path) -> None:
        self._postgres = Postgres(directory / "data", directory / "socket")
        self._postgres.directory.mkdir(mode=0o700)
        super().__init__(self._postgres.spec(), directory / "log", self._accepts)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the server's own database."""
        return self._postgres.url

    def create_database(self) -> str:
        """SQLAlchemy URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return database_url(self._postgres.sockets, name)

    @property
    def _dsn(self) -> str:
        return self.url.replace("+psycopg", "")

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self._dsn).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A directory with a short path, since sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="pagemesh-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres_server(server_directory: Path) -> Iterator[PostgresServer]:
    """A running PostgreSQL."""
    directory = server_directory / "postgres"
    directory.mkdir()
    yield from _running(PostgresServer(directory))


@pytest.fixture(scope="session")
def fresh_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes an empty database at each call and returns its URL, `postgresql+psycopg://…`."""
    return postgres_server.create_database


@pytest.fixture(scope="session")
def nats_server(server_directory: Path) -> Iterator[NatsServer]:
    """A running NATS; a test that stops it starts it again."""
    directory = server_directory / "nats"
    directory.mkdir()
    yield from _running(NatsServer(directory))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real documents, which are not part of the project: `PAGEMESH_CORPUS`, or shared/corpus beside it."""
    beside = Path(__file__).parents[3] / "shared" / "corpus"
    path = Path(os.environ.get("PAGEMESH_CORPUS", beside))
    if not path.is_dir():
        assert "CI" not in os.environ, f"CI needs the corpus, and there is none at {path}"
        pytest.skip(f"no corpus at {path}; PAGEMESH_CORPUS can name one")
    return path


@pytest.fixture(scope="session")
def stack(server_directory: Path) -> Iterator[Background]:
    """A whole stack, started by `pagemesh up` and ready."""
    environ = {**NO_LIMITS, "PAGEMESH_ALLOWED_PRIVATE_NETWORKS": "127.0.0.1"}  # where tests receive webhooks
    with background_stack(server_directory / "stack", environ, quiet=True) as running:
        yield running


def _running(server: _Server) -> Iterator[_Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
