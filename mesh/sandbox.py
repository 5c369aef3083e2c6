"""Child processes in which hostile input is opened: long-lived, limited, and replaced when they die.

A handler is a function `bytes → iterable of bytes`, named `package.module:function`; it runs in the child. Frames of
an iterator are sent one by one, and what it yielded before the child died has already arrived; those of a list are
sent together. The child limits its own memory and processor time by `setrlimit` (see `sandbox_child.py`); the wall
clock is watched here, and a child that overruns is killed.
"""

import asyncio
import logging
import os
import signal
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from mesh import telemetry

log = logging.getLogger(__name__)

_HEADER = struct.Struct("<BI")
_MAX_FRAME = 256 << 20
FRAME, END, FAILED = 0, 1, 2
GROWN = b"grown"
"""What the end of a task carries from a child that is to be replaced."""


@dataclass(frozen=True)
class Limits:
    """What a child may use."""

    memory_bytes: int = 1 << 30
    """Address space that it may map beyond what it had after loading its handler."""
    cpu_seconds: int = 60
    """Processor time for one task."""
    wall_seconds: float = 120.0
    """Wall-clock time between two frames."""
    tasks: int = 5_000
    """Tasks until a child is replaced; one that has grown by half of its memory is replaced at once.

    So what a library leaks is never blamed on the document that meets the limit.
    """


class SandboxError(Exception):
    """The child did not finish the task."""

    why = "died"


class ChildDied(SandboxError):
    """The child crashed, or was killed for its memory or processor time."""


class ChildOverran(SandboxError):
    """The child took too long and was killed."""

    why = "overran"


class NoTurn(SandboxError):
    """No child was free in the time that the caller had; the task was not begun."""

    why = "busy"


class HandlerFailed(SandboxError):
    """The handler raised; the message names the exception's type, nothing more."""

    why = "failed"


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.tasks = 0
        self.grown = False

    @property
    def ended(self) -> bool:
        """It died while idle; that it closed its pipe is known before its exit status is."""
        return self.process.returncode is not None or self.process.stdout is None or self.process.stdout.at_eof()

    async def ask(self, request: bytes, wall_seconds: float) -> AsyncIterator[bytes]:
        assert self.process.stdin
        self.tasks += 1
        try:
            self.process.stdin.write(struct.pack("<I", len(request)) + request)
            await self.process.stdin.drain()
            while True:
                async with asyncio.timeout(wall_seconds):
                    kind, frame = await self._frame()
                if kind == END:
                    self.grown = frame == GROWN
                    return
                if kind == FAILED:
                    raise HandlerFailed(frame.decode())
                yield frame
        except TimeoutError as error:
            raise ChildOverran(f"no answer within {wall_seconds:g} s") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ChildDied("the child ended early") from error

    async def _frame(self) -> tuple[int, bytes]:
        assert self.process.stdout
        kind, size = _HEADER.unpack(await self.process.stdout.readexactly(_HEADER.size))
        if size > _MAX_FRAME:
            raise ChildDied("the child sent nonsense")
        return kind, await self.process.stdout.readexactly(size)

    async def end(self) -> None:
        # Its session and all: an engine that runs as a command must not outlive it.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


class Sandbox:
    """A pool of children that run one handler."""

    def __init__(
        self, name: str, handler: str, size: int, limits: Limits, environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._handler = handler
        self._limits = limits
        self._size = size
        self._environment = _inherited() | dict(environment or {})
        self._idle: asyncio.LifoQueue[_Child | None] = asyncio.LifoQueue()
        self._waiting = 0
        self._all: set[_Child | None] = set()

    async def start(self) -> None:
        """Starts every child, so that the first task does not wait for one."""
        children = await asyncio.gather(*(self._spawn() for _ in range(self._size)))
        for child in children:
            self._idle.put_nowait(child)

    @property
    def turns(self) -> float:
        """How many tasks each child will have had before one that comes now, on average: 0 while one is idle."""
        return 0.0 if not self._idle.empty() else (self._size + self._waiting) / self._size

    async def run(self, request: bytes, turn_seconds: float | None = None) -> AsyncGenerator[bytes, None]:
        """Frames that the handler yields for the request. Raises a SandboxError; the pool is whole again after it.

        A caller who has only so many seconds until a child takes the task gets NoTurn when they are over. Ending the
        iteration early, a cancellation included, kills the child.
        """
        child = await self._next(turn_seconds)
        finished = False
        try:
            if child is None or child.ended:
                self._all.discard(child)
                child = await self._spawn()
            async for frame in child.ask(request, self._limits.wall_seconds):
                yield frame
            finished = child.tasks < self._limits.tasks and not child.grown
        except HandlerFailed as error:
            finished = True
            telemetry.SANDBOX_DEATHS.labels(self._name, error.why).inc()
            log.warning("sandboxed handler failed", extra={"pool": self._name, "error": str(error)})
            raise
        except SandboxError as error:
            telemetry.SANDBOX_DEATHS.labels(self._name, error.why).inc()
            log.warning("sandboxed child lost", extra={"pool": self._name, "why": error.why})
            raise
        finally:
            try:
                if child is not None and not finished:
                    self._all.discard(child)
                    ended, child = child, None
                    await ended.end()
            finally:
                self._idle.put_nowait(child)  # also when whoever waits for the end is cancelled

    async def _next(self, within_seconds: float | None) -> _Child | None:
        self._waiting += 1
        try:
            async with asyncio.timeout(within_seconds):
                return await self._idle.get()
        except TimeoutError as error:
            raise NoTurn("every child is busy") from error
        finally:
            self._waiting -= 1

    async def stop(self) -> None:
        """Kills every child."""
        await asyncio.gather(*(child.end() for child in self._all if child))

    async def _spawn(self) -> _Child:
        limits = self._limits
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mesh.sandbox_child",
            self._handler,
            str(limits.memory_bytes),
            str(limits.cpu_seconds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=1 << 20,
            start_new_session=True,
        )
        child = _Child(process)
        self._all.add(child)
        return child


def _inherited() -> dict[str, str]:
    # The child sees no secret: of our own settings only what its service hands it.
    passed = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "HOME")
    inherited = {name: os.environ[name] for name in passed if name in os.environ}
    return {**inherited, "OMP_THREAD_LIMIT": "1", "PYTHONUNBUFFERED": "1"}
