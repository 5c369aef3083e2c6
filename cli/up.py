"""`pagemesh up`, `status` and `down`."""

import asyncio
import logging
import os
import resource
import signal
import sys
import time

from cli import health
from cli.layout import Layout
from cli.log import StackLog
from cli.ports import is_free
from cli.stack import Command, Stack, service_command
from cli.state import AlreadyRunningError, load, locked

_START_SECONDS = 120.0
_DOWN_SECONDS = 60.0
_USAGE_ERROR = 2


def up(layout: Layout, port: int, verbose: bool = False, command: Command = service_command) -> int:
    """Runs a stack until SIGINT or SIGTERM. Returns the exit code: 2 when it cannot be started here."""
    started = time.monotonic()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # nor for any child: a core file would have all that memory has
    try:
        layout.create()
        with locked(layout):
            if not is_free(port):
                print(f"pagemesh: port {port} is taken; choose another with --port", file=sys.stderr)
                return _USAGE_ERROR
            return asyncio.run(_run(layout, port, verbose, command, started))
    except AlreadyRunningError:
        running = load(layout)
        where = f" at {running.url} (process {running.supervisor.pid})" if running else ""
        print(f"pagemesh: {layout.root} is already in use by a running stack{where}", file=sys.stderr)
    except OSError as error:
        print(f"pagemesh: {error}", file=sys.stderr)
    return _USAGE_ERROR


async def _run(layout: Layout, port: int, verbose: bool, command: Command, started: float) -> int:
    # Until everything is up, services complain of one another; only errors tell something then.
    log = StackLog(layout.log, logging.DEBUG if verbose else logging.ERROR)
    stack = Stack(layout, port, log, command=command)
    stop = asyncio.Event()
    _listen_to_signals(stack, stop)
    try:
        stack.start()
        code = await _serve(stack, log, stop, verbose, started)
    finally:
        log.threshold = max(log.threshold, logging.ERROR) if not verbose else log.threshold
        await stack.stop()
        log.close()
    return code


async def _serve(stack: Stack, log: StackLog, stop: asyncio.Event, verbose: bool, started: float) -> int:
    stopped = asyncio.create_task(stop.wait())
    healthy = asyncio.create_task(stack.healthy(_START_SECONDS))
    await asyncio.wait({stopped, healthy}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        if not healthy.result():
            state = await asyncio.to_thread(health.fetch, stack.url)
            log.say(f"not healthy after {_START_SECONDS:g} s: {state.status} {state.services}; see {stack.layout.log}")
            stopped.cancel()
            return 1
        print(f"Pagemesh is ready at {stack.url} after {time.monotonic() - started:.1f} s.", flush=True)
        print(f"Documentation: {stack.url}/docs   Data and log: {stack.layout.root}   Stop: Ctrl-C", flush=True)
        if not verbose:
            log.threshold = logging.WARNING
        await stopped
    healthy.cancel()
    log.say("stopping")
    return 0


def _listen_to_signals(stack: Stack, stop: asyncio.Event) -> None:
    def asked() -> None:
        if stop.is_set():
            stack.kill()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)


def status(layout: Layout) -> int:
    """Prints what runs and how it is. Returns 0 when everything is well, else 1."""
    state = load(layout)
    if state is None:
        print(f"No stack runs in {layout.root}.")
        return 1
    told = health.fetch(state.url)
    print(f"{state.url}  {told.status}  (supervisor {state.supervisor.pid})\n")
    print(f"{'process':<10} {'pid':>8}  {'runs':<5} {'restarts':>8}  ready")
    for name, process in sorted(state.processes.items()):
        ready = told.services.get(_READINESS_NAMES.get(name, name), told.status if name == "gateway" else "-")
        print(f"{name:<10} {process.pid:>8}  {'yes' if process.alive else 'no':<5} {process.restarts:>8}  {ready}")
    return 0 if told.status == "healthy" else 1


_READINESS_NAMES = {"nats": "messaging", "postgres": "database"}


def down(layout: Layout) -> int:
    """Stops the stack and waits for its end. Returns 1 when it does not end."""
    state = load(layout)
    if state is None:
        print(f"No stack runs in {layout.root}.")
        return 0
    os.kill(state.supervisor.pid, signal.SIGTERM)
    ends = time.monotonic() + _DOWN_SECONDS
    while state.supervisor.alive and time.monotonic() < ends:
        time.sleep(0.05)
    if state.supervisor.alive:
        print(f"pagemesh: process {state.supervisor.pid} has not ended after {_DOWN_SECONDS:g} s", file=sys.stderr)
        return 1
    print("Stopped.")
    return 0
