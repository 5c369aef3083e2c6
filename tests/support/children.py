"""Which sandboxed children a process has, and what they do."""

import os
from pathlib import Path


def sandboxed(handler: str) -> set[int]:
    """Pids of the living children that run the handler."""
    return {pid for pid in children(os.getpid()) if handler in _command(pid)}


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 for one that is gone."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def children(parent: int) -> set[int]:
    """Pids of the living children of a process."""
    found: set[int] = set()
    for thread in Path(f"/proc/{parent}/task").iterdir():
        found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
