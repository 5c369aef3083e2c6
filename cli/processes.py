"""Child processes that are started again when they die, and that die with us."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_STEADY_SECONDS = 10.0
"""A child that lived so long is started again without a pause."""
_LINE_BYTES = 1 << 20

LineSink = Callable[[str, str], None]


def _nothing() -> None:
    return


@dataclass(frozen=True)
class ChildSpec:
    """What to run."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    prepare: Callable[[], None] = _nothing
    """Done before every start, in a thread; one that raises OSError is tried again like a child that died."""
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the system sends the child when we die without having stopped it."""
    user: tuple[int, int] | None = None
    """Numbers of the user and group to run as; none: ours."""
    directory: Path | None = None


@dataclass
class Child:
    """Keeps one child running until told to stop."""

    spec: ChildSpec
    lines: LineSink
    changed: Callable[["Child"], None]
    """Called after each start and each end."""
    pid: int | None = None
    restarts: int = -1
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Runs the child, again and again, until `stop`."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            started = time.monotonic()
            outcome = await self._run_once()
            if self._stopping.is_set():
                break
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            self.lines(self.spec.name, f"ERROR: {outcome}; starting it again in {pause:g} s")
            await self._pause(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
        self._ended.set()

    async def stop(self, within: float) -> None:
        """Asks the child to end and waits; after `within` seconds kills it."""
        self._stopping.set()
        self.signal(self.spec.stop_signal)
        try:
            await asyncio.wait_for(self._ended.wait(), within)
        except TimeoutError:
            self.lines(self.spec.name, f"WARNING: did not end within {within:g} s and was killed")
            self.signal(signal.SIGKILL)
            await self._ended.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the child when it runs."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _run_once(self) -> str:
        try:
            await asyncio.to_thread(self.spec.prepare)
            if self._stopping.is_set():
                return "stopped"
            return await self._spawn_and_wait()
        except OSError as error:
            return f"cannot start: {error}"

    async def _spawn_and_wait(self) -> str:
        # A pipe of our own, since waiting for a process must not wait for the grandchildren that inherited its output.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=self.spec.env,
                cwd=self.spec.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                umask=0o077,
                preexec_fn=die_with_parent(self.spec.orphan_signal),
                **as_user(self.spec.user),
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        pump = asyncio.create_task(self._pump(reading))
        self.pid, self.restarts = process.pid, self.restarts + 1
        self.changed(self)
        code = await process.wait()
        self.pid = None
        await asyncio.wait({pump}, timeout=0.5)
        pump.cancel()
        self.changed(self)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    async def _pump(self, descriptor: int) -> None:
        async for line in _lines(descriptor):
            self.lines(self.spec.name, line)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """A function for the child to call before it becomes another program (prctl(2), PR_SET_PDEATHSIG)."""
    parent = os.getpid()

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def as_user(user: tuple[int, int] | None) -> dict[str, Any]:
    """Arguments that make a child run as that user and group, without other groups."""
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}


async def _lines(descriptor: int) -> AsyncIterator[str]:
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        rest = b""
        while piece := await reader.read(1 << 16):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if len(rest) > _LINE_BYTES:
                yield rest.decode(errors="replace")
                rest = b""
        if rest:
            yield rest.decode(errors="replace")
    finally:
        transport.close()
