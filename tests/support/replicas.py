"""Further gateways beside that of a running stack, which can be stopped and killed one by one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cli import nats
from cli.background import NO_LIMITS, Background
from cli.ports import LOOPBACK, free_ports
from cli.processes import die_with_parent

_START_SECONDS = 60.0


class Replica:
    """A gateway of its own process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.url = f"http://{LOOPBACK}:{port}"

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; after a deadly one it is gone."""
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(10)

    def until_ready(self) -> None:
        """Waits until it counts requests, for which it needs the broker."""
        ends = time.monotonic() + _START_SECONDS
        while not self._ready():
            assert self._process.poll() is None, "the gateway ended"
            assert time.monotonic() < ends, "the gateway is not ready"
            time.sleep(0.05)

    def _ready(self) -> bool:
        # With a wrong password, and counted under its address; 503 while nothing can count.
        body = {"email": "nobody@example.org", "password": "of no account"}
        try:
            return httpx.post(f"{self.url}/api/v1/auth/login", json=body).status_code in (401, 429)
        except httpx.TransportError:
            return False


@contextmanager
def gateway_replica(stack: Background, **settings: str) -> Iterator[Replica]:
    """A gateway for the services of the stack, with settings of its own, ready in the block."""
    port = free_ports(1)[0]
    environ = {**os.environ, **NO_LIMITS, **_addresses(stack, port), **settings}
    with (stack.layout.root / f"gateway-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    replica = Replica(process, port)
    try:
        replica.until_ready()
        yield replica
    finally:
        process.kill()
        process.wait()


def _addresses(stack: Background, port: int) -> dict[str, str]:
    state = stack.state
    services = {f"PAGEMESH_{name.upper()}_URL": f"unix:{socket}" for name, socket in state.sockets.items()}
    return {
        **services,
        "PAGEMESH_HTTP_PORT": str(port),
        "PAGEMESH_NATS_URL": nats.url(state.ports["nats"], stack.layout.secret("nats")),
        "PAGEMESH_STORAGE_URL": stack.layout.blobs.as_uri(),
        "PAGEMESH_IDEMPOTENCY_SECRET": stack.layout.secret("idempotency"),
    }


def originals(stack: Background) -> set[Path]:
    """Files that were taken in whole."""
    files = (stack.layout.blobs / "originals").glob("*/*")
    return {file for file in files if file.suffix in (".pdf", ".png", ".jpg", ".tiff")}
