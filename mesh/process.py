"""A service's process: one event loop that runs until SIGTERM or SIGINT asks it to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop

from mesh import logs, telemetry
from mesh.settings import MeshSettings

Main = Callable[[asyncio.Event], Awaitable[None]]


def run(service: str, settings: MeshSettings, main: Main) -> None:
    """Runs `main(stop)`; `stop` is set when the process is asked to end, and `main` then drains and returns."""
    logs.configure(service, settings.log_level)
    telemetry.start(service, settings)
    uvloop.run(_until_stopped(main))


async def _until_stopped(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await main(stop)
