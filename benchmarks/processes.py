"""Memory and processor time of running processes, each with its children, from /proc (proc(5))."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a process and its children. PSS counts a page shared by n processes as one n-th."""

    rss: float
    pss: float


def family(pid: int) -> list[int]:
    """The process and all its descendants that run now."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def children(pid: int) -> list[int]:
    """The process's own children; none when it is gone."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def name_of(pid: int) -> str:
    """What a process runs: its module when it is Python's, else its program. Raises OSError when it is gone."""
    arguments = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    return arguments[arguments.index("-m") + 1] if "-m" in arguments else Path(arguments[0]).name


def memory(pid: int) -> Memory:
    """Of the process with its children; those that end meanwhile count nothing."""
    rss = pss = 0.0
    for member in family(pid):
        with suppress(OSError):
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text(encoding="ascii")
            sizes = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
            rss, pss = rss + int(sizes["Rss"]) / 1024, pss + int(sizes["Pss"]) / 1024
    return Memory(rss, pss)


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, of its running descendants, and of those that it has waited for."""
    ticks = 0
    for member in family(pid):
        with suppress(OSError):
            # The second field, the program's name, may hold spaces and parentheses; times are fields 14 to 17.
            fields = Path(f"/proc/{member}/stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / _TICKS


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of each, by name."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def cpu_ms_each(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Milliseconds of processor time a piece of work, by process, and in all."""
    spent = {name: round((after[name] - before[name]) / count * 1000, 2) for name in before}
    return {**spent, "all": round(sum(spent.values()), 2)}


def memory_of(pids: Mapping[str, int]) -> dict[str, Memory]:
    """Memory of each, by name."""
    return {name: memory(pid) for name, pid in pids.items()}


@dataclass
class Peak:
    """The most that each process had at any look."""

    most: dict[str, Memory] = field(default_factory=dict)
    total_pss: float = 0.0

    def note(self, seen: Mapping[str, Memory]) -> None:
        """Takes one look into account."""
        for name, now in seen.items():
            known = self.most.get(name, now)
            self.most[name] = Memory(max(known.rss, now.rss), max(known.pss, now.pss))
        self.total_pss = max(self.total_pss, total_pss(seen.values()))


def total_pss(seen: Iterable[Memory]) -> float:
    """MiB of all together."""
    return sum(one.pss for one in seen)


@asynccontextmanager
async def watching_memory(pids: Mapping[str, int], every_seconds: float = 0.2) -> AsyncIterator[Peak]:
    """A peak that is kept up to date while the block lasts."""
    peak = Peak()

    async def watch() -> None:
        while True:
            started = time.monotonic()
            peak.note(await asyncio.to_thread(memory_of, pids))
            await asyncio.sleep(max(every_seconds, time.monotonic() - started))

    task = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        task.cancel()
        peak.note(memory_of(pids))
