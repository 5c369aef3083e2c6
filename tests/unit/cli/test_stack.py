"""A whole stack of real broker, real database and dummy services."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.layout import Layout
from cli.ports import free_ports
from cli.processes import die_with_parent
from cli.state import Process, StackState, load
from cli.up import down, status

_PROCESSES = {"analysis", "auth", "gateway", "ingest", "nats", "ocr", "postgres", "results"}
_UP = """
import sys; from pathlib import Path
from cli.layout import Layout; from cli.up import up; from tests.support.dummy import command
sys.exit(up(Layout(Path(sys.argv[1])), int(sys.argv[2]), command=command))
"""


@contextmanager
def _up(layout: Layout, port: int) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", _UP, str(layout.root), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def _is_ready(layout: Layout) -> bool:
    state = load(layout)
    return bool(state and state.ready and set(state.processes) == _PROCESSES)


def _state(layout: Layout) -> StackState:
    state = load(layout)
    assert state
    return state


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    """A data directory."""
    with tempfile.TemporaryDirectory(prefix="pagemesh-up-", ignore_cleanup_errors=True) as directory:
        yield Layout(Path(directory) / "data")


@pytest.fixture
def running(layout: Layout) -> Iterator[Layout]:
    """A data directory in which a ready stack runs."""
    with _up(layout, free_ports(1)[0]):
        _until(lambda: _is_ready(layout))
        yield layout


def test_everything_runs_and_is_told(running: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """`stack.json` must name every process, and `status` must show them."""
    state = _state(running)
    code = status(running)
    shown = capsys.readouterr().out
    assert (0, _PROCESSES, True) == (code, set(state.processes), all(p.alive for p in state.processes.values()))
    assert [] == [name for name in (*_PROCESSES, state.url, "healthy") if name not in shown]


@pytest.mark.parametrize("name", ["ocr", "nats", "postgres"])
def test_killed_process_comes_back(running: Layout, name: str) -> None:
    """A killed service, broker or database must run again, and `stack.json` must know its new pid."""
    old = _state(running).processes[name]
    os.kill(old.pid, signal.SIGKILL)
    _until(lambda: _state(running).processes[name].restarts > old.restarts)
    new = _state(running).processes[name]
    assert (True, True) == (new.pid != old.pid, new.alive)


def test_second_stack_in_the_directory_is_refused(running: Layout) -> None:
    """Two stacks must not share their data; the second says where the first is."""
    with _up(running, free_ports(1)[0]) as second:
        _, complaint = second.communicate(timeout=60)
    assert (2, True) == (second.returncode, _state(running).url in complaint)


def test_busy_port_is_refused(running: Layout, tmp_path: Path) -> None:
    """A port that somebody has must be named, with exit code 2."""
    port = _state(running).ports["gateway"]
    with _up(Layout(tmp_path), port) as second:
        _, complaint = second.communicate(timeout=60)
    assert (2, True) == (second.returncode, str(port) in complaint)


def test_down_leaves_nothing(running: Layout) -> None:
    """`down` must end every process and return 0, also when nothing is left to end."""
    state = _state(running)
    codes = [down(running), down(running)]
    alive = [name for name, process in state.processes.items() if process.alive]
    assert ([0, 0], [], None) == (codes, alive, load(running))


def test_nothing_outlives_a_killed_supervisor(layout: Layout) -> None:
    """After `kill -9` of the supervisor its children must end, and the next start must succeed."""
    with _up(layout, free_ports(1)[0]) as first:
        _until(lambda: _is_ready(layout))
        processes = _state(layout).processes.values()
        first.kill()
        _until(lambda: not any(process.alive for process in processes))
    with _up(layout, free_ports(1)[0]) as second:
        _until(lambda: _is_ready(layout))
        assert second.pid == _state(layout).supervisor.pid


def test_foreign_process_is_not_taken_for_the_supervisor(layout: Layout) -> None:
    """A pid that now belongs to another process must not be signalled."""
    layout.create()
    StackState("http://127.0.0.1:1", Process(os.getpid(), start=1)).save(layout)
    assert (1, 0) == (status(layout), down(layout))


def test_services_know_no_secret_that_they_do_not_need(running: Layout) -> None:
    """Those who open what others sent cannot act as a service; the master key is for `auth` alone."""
    environ = {
        name: Path(f"/proc/{process.pid}/environ").read_bytes() for name, process in _state(running).processes.items()
    }
    holders_of = {
        "service": {"auth", "analysis", "gateway", "results"},
        "arrival": {"ingest", "results"},
        "webhook": {"results"},
    }
    for secret, holders in holders_of.items():
        value = running.secret(secret).encode()
        assert holders == {name for name, told in environ.items() if value in told}
    assert {"auth"} == {name for name, told in environ.items() if b"PAGEMESH_MASTER_KEY" in told}


def test_secrets_are_not_told(running: Layout) -> None:
    """`stack.json` must hold no secret."""
    told = json.dumps(json.loads(running.stack_file.read_text()))
    secrets = [path.read_text().strip() for path in running.secrets.iterdir()]
    assert (7, []) == (len(secrets), [secret for secret in secrets if secret in told])
