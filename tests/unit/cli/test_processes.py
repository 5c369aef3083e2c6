"""The supervisor keeps children alive, hears what they say, and leaves none behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cli.processes import Child, ChildSpec, die_with_parent
from cli.state import start_time

_WAITS = "import signal, sys; print('up', flush=True); signal.pause()"
_IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


class Recorder:
    """Keeps what a child said and the pids that it had."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.pids: list[int] = []

    def line(self, name: str, text: str) -> None:
        """As a log would."""
        self.said.append(text)

    def changed(self, child: Child) -> None:
        """As a stack would."""
        if child.pid is not None:
            self.pids.append(child.pid)


def _spec(code: str, prepare: Callable[[], None] = lambda: None) -> ChildSpec:
    return ChildSpec("child", [sys.executable, "-c", code], dict(os.environ), prepare)


@asynccontextmanager
async def _running(spec: ChildSpec, recorder: Recorder) -> AsyncIterator[Child]:
    child = Child(spec, recorder.line, recorder.changed)
    task = asyncio.create_task(child.run())
    try:
        yield child
    finally:
        await child.stop(0.5)
        await task


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # other processes set no event
            await asyncio.sleep(0.01)


async def test_killed_child_is_started_again() -> None:
    """A child that dies by `kill -9` must run again, as another process."""
    recorder = Recorder()
    async with _running(_spec(_WAITS), recorder) as child:
        await _until(lambda: recorder.said == ["up"])
        child.signal(signal.SIGKILL)
        await _until(lambda: recorder.said.count("up") == 2)
    assert (2, 1, "ERROR: killed by SIGKILL; starting it again in 0.1 s") == (
        len(set(recorder.pids)),
        child.restarts,
        recorder.said[1],
    )


async def test_failing_preparation_is_tried_again() -> None:
    """An OSError while preparing must be told, and not end the supervision."""
    failures = [OSError("disk full"), OSError("disk full")]

    def prepare() -> None:
        if failures:
            raise failures.pop()

    recorder = Recorder()
    async with _running(_spec(_WAITS, prepare), recorder):
        await _until(lambda: "up" in recorder.said)
    told = [line.partition(";")[0] for line in recorder.said[:2]]
    assert ["ERROR: cannot start: disk full"] * 2 == told


async def test_deaf_child_is_killed() -> None:
    """A child that ignores SIGTERM must be gone after `stop`."""
    recorder = Recorder()
    async with _running(_spec(_IGNORES_TERM), recorder):
        await _until(lambda: recorder.said == ["up"])
    assert [None] == [start_time(pid) for pid in recorder.pids]


async def test_everything_said_is_heard() -> None:
    """Long lines, broken bytes and a last line without an end must arrive."""
    code = "import sys; sys.stderr.buffer.write(b'x' * 300_000 + b'\\n\\xff\\nlast'); sys.stderr.flush(); sys.exit(3)"
    recorder = Recorder()
    async with _running(_spec(code), recorder):
        await _until(lambda: len(recorder.said) > 3)
    assert ["x" * 300_000, "\ufffd", "last"] == recorder.said[:3]


async def test_grandchild_does_not_hide_the_death() -> None:
    """A child's own child that keeps the output open must not delay the restart."""
    code = "import subprocess, os; subprocess.Popen(['sleep', '3']); print('up', flush=True); os.kill(os.getpid(), 9)"
    recorder = Recorder()
    async with _running(_spec(code), recorder):
        await _until(lambda: len(recorder.pids) >= 2)
        before = [line for line in recorder.said if line != "up"]
    assert "ERROR: killed by SIGKILL; starting it again in 0.1 s" == before[0]


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    """After `kill -9` of the parent its child must be gone."""
    file = tmp_path / "pid"
    code = f"""
import subprocess, signal, sys, pathlib
from cli.processes import die_with_parent
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"],
                         preexec_fn=die_with_parent(signal.SIGKILL))
pathlib.Path({str(file)!r}).write_text(str(child.pid) + "\\n")
signal.pause()
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, preexec_fn=die_with_parent(signal.SIGKILL)
    )
    await _until(lambda: file.exists() and file.read_text().endswith("\n"))
    child = int(file.read_text())
    parent.kill()
    await parent.wait()
    await _until(lambda: start_time(child) is None)
    assert start_time(child) is None
