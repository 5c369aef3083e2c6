"""A service's process: one event loop that runs until SIGTERM or SIGINT asks it to stop."""

import asyncio
import gc
import resource
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from mesh import logs, telemetry
from mesh.settings import MeshSettings

_GRACE_SECONDS = 3.0
_COLLECT_AFTER = 10_000

Main = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def run(service: str, settings: MeshSettings, main: Main) -> None:
    """Runs `main(stop)`; `stop` is set when the process is asked to end, and `main` then drains and returns."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would have everything that memory has
    logs.configure(service, settings.log_level)
    telemetry.start(service, settings)
    spare_collector()
    uvloop.run(_until_stopped(main, settings.drain_seconds + _GRACE_SECONDS))


def spare_collector() -> None:
    """Leaves what was imported out of garbage collection, and collects less often: by default each 700 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


async def _until_stopped(main: Main, seconds: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running, stopping = asyncio.create_task(main(stop)), asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    # One that still waits for a dependency to start with does not look at `stop`.
    await asyncio.wait({running}, timeout=seconds)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
