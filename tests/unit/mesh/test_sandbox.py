"""The sandbox contains whatever happens in a child, and goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from mesh.sandbox import ChildDied, ChildOverran, HandlerFailed, Limits, NoTurn, Sandbox, SandboxError
from tests.support.broker import eventually

HANDLER = "tests.support.sandbox_handlers:handle"
LIMITS = Limits(memory_bytes=256 << 20, cpu_seconds=60, wall_seconds=20)


async def answers(sandbox: Sandbox, request: bytes) -> list[bytes]:
    """Every frame."""
    async with aclosing(sandbox.run(request)) as frames:
        return [frame async for frame in frames]


async def lost(sandbox: Sandbox, request: bytes) -> SandboxError:
    """Why the request ended; `before` must have arrived all the same."""
    frames = sandbox.run(request)
    assert b"before" == await anext(frames)
    with pytest.raises(SandboxError) as caught:
        await anext(frames)
    return caught.value


async def pid(sandbox: Sandbox) -> int:
    """Pid of the child that answers next."""
    return int((await answers(sandbox, b"pid"))[0])


@pytest.fixture(scope="module")
async def one() -> AsyncIterator[Sandbox]:
    """A pool of one child."""
    sandbox = Sandbox("test", HANDLER, 1, LIMITS)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


async def test_frames_come_in_order_from_one_child(one: Sandbox) -> None:
    """Task after task, empty and large frames too."""
    first = await pid(one)
    assert [str(number).encode() for number in range(500)] == await answers(one, b"count 500")
    assert [] == await answers(one, b"count 0")
    assert [b""] == await answers(one, b"echo ")
    assert [b"x" * (5 << 20)] == await answers(one, b"large %d" % (5 << 20))
    assert [b"y" * (3 << 20)] == await answers(one, b"echo " + b"y" * (3 << 20))
    assert first == await pid(one)


async def test_frames_stream(one: Sandbox) -> None:
    """The first arrives while the child is still at work on the next."""
    async with aclosing(one.run(b"sleep")) as frames:
        assert b"before" == await anext(frames)


async def test_the_wall_clock_runs_from_frame_to_frame() -> None:
    """A task that keeps answering may take longer than the limit in all."""
    sandbox = Sandbox("test", HANDLER, 1, Limits(memory_bytes=256 << 20, wall_seconds=2))
    await sandbox.start()
    await _warm(sandbox)
    assert [b"0", b"1", b"2", b"3", b"4"] == await answers(sandbox, b"slow")
    await sandbox.stop()


async def _warm(sandbox: Sandbox) -> None:
    """Waits for a child that has started and loaded its handler."""
    while True:
        try:
            await pid(sandbox)
        except ChildOverran:
            continue
        return


@pytest.mark.parametrize("request_", [b"crash", b"exit", b"hog"])
async def test_a_child_that_dies_is_replaced(one: Sandbox, request_: bytes) -> None:
    """A crash, an exit, too much memory: what came before has arrived, and the next task is well."""
    before = await pid(one)
    assert ChildDied is type(await lost(one, request_))
    assert before != await pid(one)


async def test_an_endless_loop_ends_by_processor_time() -> None:
    """The system ends the child long before the wall clock does."""
    sandbox = Sandbox("test", HANDLER, 1, Limits(memory_bytes=256 << 20, cpu_seconds=1, wall_seconds=100))
    assert ChildDied is type(await _started(sandbox, b"spin"))
    assert [b"well"] == await answers(sandbox, b"echo well")
    await sandbox.stop()


async def _started(sandbox: Sandbox, request: bytes) -> SandboxError:
    await sandbox.start()
    await _warm(sandbox)
    return await lost(sandbox, request)


@pytest.mark.parametrize("request_", [b"spin", b"sleep"])
async def test_a_child_that_hangs_is_killed(request_: bytes) -> None:
    """By the wall clock; the pool goes on."""
    sandbox = Sandbox("test", HANDLER, 1, Limits(memory_bytes=256 << 20, wall_seconds=1))
    assert ChildOverran is type(await _started(sandbox, request_))
    await _warm(sandbox)
    await sandbox.stop()


async def test_an_exception_fails_its_task_alone(one: Sandbox) -> None:
    """It names its type and nothing of its text, and the child lives on."""
    before = await pid(one)
    error = await lost(one, b"raise")
    assert (HandlerFailed, "LookupError") == (type(error), str(error))
    assert before == await pid(one)


async def test_what_a_library_prints_does_not_get_between_the_frames(one: Sandbox) -> None:
    """Python, the file descriptor and C alike."""
    assert [[b"answer"]] * 3 == [await answers(one, b"print") for _ in range(3)]


async def test_a_cancelled_task_takes_its_child_with_it(one: Sandbox) -> None:
    """The child is gone when the cancellation is, and the next task gets a new one."""
    before = await pid(one)
    task = asyncio.create_task(answers(one, b"sleep"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _lives(before)
    assert before != await pid(one)


async def test_a_task_that_is_cancelled_twice_leaves_the_pool_whole(one: Sandbox) -> None:
    """The second time while its child is being ended."""
    task = asyncio.create_task(answers(one, b"sleep"))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [b"mine"] == await asyncio.wait_for(answers(one, b"echo mine"), 30)


async def test_a_reader_that_goes_takes_its_child_with_it(one: Sandbox) -> None:
    """Frames that nobody reads must not reach the next task."""
    async with aclosing(one.run(b"count 1000")) as frames:
        await anext(frames)
    assert [b"mine"] == await answers(one, b"echo mine")


async def test_other_tasks_are_not_affected() -> None:
    """While children die beside them, in a pool of two, every other task gets its own answer."""
    sandbox = Sandbox("test", HANDLER, 2, LIMITS)
    await sandbox.start()
    requests = [b"crash", *(b"echo %d" % number for number in range(20)), b"exit"]
    results = await asyncio.gather(*(answers(sandbox, each) for each in requests), return_exceptions=True)
    assert [ChildDied, ChildDied] == [type(results[0]), type(results[-1])]
    assert [[b"%d" % number] for number in range(20)] == results[1:-1]
    await sandbox.stop()


async def test_a_child_is_replaced_after_its_share_of_tasks() -> None:
    """So that what it leaks stays small."""
    sandbox = Sandbox("test", HANDLER, 1, Limits(memory_bytes=256 << 20, tasks=2))
    await sandbox.start()
    pids = [await pid(sandbox) for _ in range(4)]
    await sandbox.stop()
    assert (pids[0], pids[2], 2) == (pids[1], pids[3], len(set(pids)))


async def test_a_child_that_grows_is_replaced_before_it_meets_its_limit() -> None:
    """Else a task would pay for what the tasks before it left behind."""
    sandbox = Sandbox("test", HANDLER, 1, Limits(memory_bytes=256 << 20))
    await sandbox.start()
    pids = [int((await answers(sandbox, b"grow %d" % (100 << 20)))[0]) for _ in range(4)]
    await sandbox.stop()
    assert (pids[0], pids[2], 2) == (pids[1], pids[3], len(set(pids)))


async def test_turns_tell_how_long_the_queue_is(one: Sandbox) -> None:
    """None while a child is idle; the one that works counts, and so does each task that waits."""
    assert one.turns == 0
    asked = [asyncio.create_task(answers(one, b"slow"))]
    await _until_turns(one, 1)
    asked += [asyncio.create_task(answers(one, b"count 1")) for _ in range(3)]
    await _until_turns(one, 4)
    asked.pop().cancel()
    await _until_turns(one, 3)
    await asyncio.gather(*asked)
    assert one.turns == 0


async def test_a_task_that_gets_no_child_in_time_is_not_begun(one: Sandbox) -> None:
    """Its caller is told, and the child goes on with what it has."""
    first = await pid(one)
    working = asyncio.create_task(answers(one, b"slow"))
    await _until_turns(one, 1)
    with pytest.raises(NoTurn):
        await anext(one.run(b"crash", turn_seconds=0.01))
    assert ([b"0", b"1", b"2", b"3", b"4"], first) == (await working, await pid(one))


async def _until_turns(sandbox: Sandbox, expected: float) -> None:
    async def reached() -> bool:
        return sandbox.turns == expected

    await eventually(reached)


async def test_a_child_that_died_while_idle_is_replaced(one: Sandbox) -> None:
    """Its death harms no task."""
    idle = await pid(one)
    os.kill(idle, signal.SIGKILL)
    await _until_gone(idle)
    await asyncio.sleep(0.05)  # word of it arrives through the loop
    assert idle != await pid(one)


async def test_a_child_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the service's environment only what any program needs, and what the service hands it."""
    secrets = {
        "PAGEMESH_DATABASE_URL": "s3cret",
        "PAGEMESH_SERVICE_SECRET": "s3cret",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "ANTHROPIC_API_KEY": "s3cret",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    sandbox = Sandbox("test", HANDLER, 1, LIMITS, {"PAGEMESH_OCR_DPI": "200"})
    [environment] = await answers_of_new(sandbox, b"environment")
    assert (False, True) == (b"s3cret" in environment, b"PAGEMESH_OCR_DPI=200" in environment)


async def answers_of_new(sandbox: Sandbox, request: bytes) -> list[bytes]:
    """Starts the sandbox, asks it, stops it."""
    await sandbox.start()
    try:
        return await answers(sandbox, request)
    finally:
        await sandbox.stop()


async def test_a_child_cannot_fill_the_disk(one: Sandbox, tmp_path: Path) -> None:
    """A file beyond 256 MiB fails its task."""
    with pytest.raises(SandboxError):
        await answers(one, b"write " + str(tmp_path / "file").encode())
    assert (tmp_path / "file").stat().st_size <= 256 << 20


async def test_stopping_leaves_no_child() -> None:
    """Busy or idle."""
    sandbox = Sandbox("test", HANDLER, 2, LIMITS)
    await sandbox.start()
    idle = await pid(sandbox)
    busy = sandbox.run(b"sleep")
    assert b"before" == await anext(busy)
    await sandbox.stop()
    assert not _lives(idle)
    with pytest.raises(ChildDied):
        await anext(busy)


PARENT = """
import asyncio
from mesh.sandbox import Limits, Sandbox

async def main():
    sandbox = Sandbox("test", "tests.support.sandbox_handlers:handle", 1, Limits())
    await sandbox.start()
    async for frame in sandbox.run(b"pid"):
        print(frame.decode(), flush=True)
    async for frame in sandbox.run(b"spin"):
        print("spinning", flush=True)

asyncio.run(main())
"""


async def test_a_child_dies_with_its_parent() -> None:
    """Even one that is busy, of a parent that was killed outright."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    child = int(await parent.stdout.readline())
    assert b"spinning\n" == await parent.stdout.readline()
    parent.kill()
    await parent.wait()
    await _until_gone(child)


async def _until_gone(process: int) -> None:
    async def gone() -> bool:
        return not _lives(process)

    await eventually(gone)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
