"""What a running stack tells about itself in `run/stack.json`, and the lock that keeps it the only one there."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cli.layout import Layout, write_private


class AlreadyRunningError(Exception):
    """Another process runs a stack in this data directory."""


@dataclass
class Process:
    """A process of the stack."""

    pid: int
    start: int
    """Clock ticks after boot at which it started: with the pid it names one process for ever."""
    restarts: int = 0

    @classmethod
    def of(cls, pid: int, restarts: int = 0) -> "Process":
        """The running process with that pid. Raises ProcessLookupError."""
        start = start_time(pid)
        if start is None:
            raise ProcessLookupError(pid)
        return cls(pid, start, restarts)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_time(self.pid) == self.start


@dataclass
class StackState:
    """A running stack."""

    url: str
    supervisor: Process
    ready: bool = False
    processes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    """TCP ports on 127.0.0.1: "gateway", "nats", and "metrics.<service>"."""
    sockets: dict[str, str] = field(default_factory=dict)

    def save(self, layout: Layout) -> None:
        """Writes `stack.json`."""
        write_private(layout.stack_file, json.dumps(asdict(self), indent=2) + "\n")


def load(layout: Layout) -> StackState | None:
    """The stack that runs in the directory, or none."""
    try:
        told: dict[str, Any] = json.loads(layout.stack_file.read_text(encoding="utf-8"))
        processes = {name: Process(**process) for name, process in told.pop("processes").items()}
        state = StackState(**{**told, "processes": processes, "supervisor": Process(**told["supervisor"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return state if state.supervisor.alive else None


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which the process started; none when it does not run (proc(5), field 22 of stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field, the program's name, may hold spaces and parentheses.
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Keeps the directory ours; the system lets go of it when the process ends. Raises AlreadyRunningError."""
    descriptor = os.open(layout.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AlreadyRunningError from error
    try:
        yield
    finally:
        os.close(descriptor)
