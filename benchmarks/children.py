"""Child processes of a benchmark: started on free loopback ports, always stopped by their own process group."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

HOST = "127.0.0.1"
STOP_SECONDS = 10.0


class NotReady(RuntimeError):
    """A child process ended, or did not answer in time, before it was ready."""


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def uvicorn_command(application: str, port: int) -> list[str]:
    """One uvicorn process with the fast loop and parser, and no log line per request."""
    options = ["--host", HOST, "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--ws", "none"]
    return [sys.executable, "-m", "uvicorn", application, *options, "--no-access-log", "--log-level", "warning"]


@asynccontextmanager
async def child(
    *command: str | Path, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `command` in a session of its own while the block lasts; its output is appended to `log`."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a child: asked first, then killed with whatever it has forked."""
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
    # A leader that died badly may leave forks behind; they are all in the session that `child` made.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def until_ready(
    process: asyncio.subprocess.Process, ready: Callable[[], Awaitable[bool]], name: str, seconds: float = 30.0
) -> None:
    """Wait until `ready` answers true. Raises NotReady when the child ends or `seconds` pass before that."""
    deadline = time.monotonic() + seconds
    while not await ready():
        if process.returncode is not None:
            raise NotReady(f"{name} ended with code {process.returncode}")
        if time.monotonic() > deadline:
            raise NotReady(f"{name} was not ready after {seconds:.0f} s")
        await asyncio.sleep(0.05)


async def accepts(port: int) -> bool:
    """Whether something on this machine accepts connections to `port`."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
