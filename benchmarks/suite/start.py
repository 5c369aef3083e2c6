"""Seconds from `pagemesh up` to ready: the first start makes the database, the second finds it."""

import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, Findings
from benchmarks.mesh import ENVIRONMENT
from cli.background import background_stack

ROUNDS = 3
WANTED_SECONDS = 8.0
METHOD = (
    f"{ROUNDS} rounds on an installed machine, each with a new data directory: from the start of the `pagemesh up` "
    "process until it reports every service healthy, then the same again with the data that is there now."
)


async def measure() -> Findings:
    """First and second starts in turn."""
    first, second = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="pagemesh-bench-") as directory:
            data = Path(directory) / "data"
            first.append(_start(data))
            second.append(_start(data))
    return Findings(
        [
            Figure("first start, to ready", "s", first, at_most=WANTED_SECONDS),
            Figure("later start, to ready", "s", second, at_most=WANTED_SECONDS),
        ],
        METHOD,
    )


def _start(data: Path) -> float:
    began = time.monotonic()
    with background_stack(data, ENVIRONMENT, quiet=True):
        return time.monotonic() - began
