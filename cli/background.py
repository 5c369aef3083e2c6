"""A stack of its own process, for a demonstration or a test."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.layout import Layout
from cli.ports import free_ports
from cli.processes import die_with_parent
from cli.state import StackState, load

_WITHOUT_END = {"minute": 1_000_000_000, "hour": 1_000_000_000}
_TIERS = ("free", "pro", "enterprise")
_PLAN_WITHOUT_END = dict.fromkeys(("documents", "pages", "calls", "storage_bytes"), 1 << 60)
NO_LIMITS: Mapping[str, str] = {
    "PAGEMESH_DEFAULT_TIER": "enterprise",
    "PAGEMESH_LIMITS": json.dumps(dict.fromkeys(_TIERS, _WITHOUT_END)),
    "PAGEMESH_PLANS": json.dumps(dict.fromkeys(_TIERS, _PLAN_WITHOUT_END)),
    "PAGEMESH_ADDRESS_LIMITS": json.dumps(_WITHOUT_END),
}
"""Environment of a stack whose limits nobody reaches; requests are counted all the same."""
_START_SECONDS = 150.0
_STOP_SECONDS = 60.0


class NotStartedError(Exception):
    """The stack ended, or was not healthy in time."""


@dataclass
class Background:
    """A running `pagemesh up`."""

    layout: Layout
    process: "subprocess.Popen[bytes]"

    @property
    def state(self) -> StackState:
        """What the stack tells about itself now. Raises NotStartedError when it is gone."""
        state = load(self.layout)
        if state is None:
            raise NotStartedError(f"no stack runs in {self.layout.root}")
        return state

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return self.state.url

    def kill(self, name: str) -> int:
        """Kills the process of that name (`ocr`, `nats`, `postgres` …) outright and returns its pid."""
        pid = self.state.processes[name].pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> int:
        """Stops the stack and returns its exit code. Kills it when it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def wait_until_ready(self) -> None:
        """Raises NotStartedError."""
        ends = time.monotonic() + _START_SECONDS
        while time.monotonic() < ends:
            if self.process.poll() is not None:
                raise NotStartedError(f"`pagemesh up` ended with code {self.process.returncode}")
            state = load(self.layout)
            if state and state.ready and state.supervisor.pid == self.process.pid:
                return
            time.sleep(0.05)
        raise NotStartedError(f"not ready after {_START_SECONDS:g} s; see {self.layout.log}")


@contextmanager
def background_stack(data: Path, environ: Mapping[str, str] | None = None, quiet: bool = False) -> Iterator[Background]:
    """A stack in `data` on a free port, stopped at the end of the block. Raises NotStartedError."""
    port = free_ports(1)[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", "--port", str(port), "--data", str(data)],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    stack = Background(Layout(data), process)
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()
