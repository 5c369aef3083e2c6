"""Which sandboxed children this process has."""

import os
from pathlib import Path


def sandboxed(handler: str) -> set[int]:
    """Pids of the living children that run the handler."""
    return {pid for pid in _children() if handler in _command(pid)}


def _children() -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{os.getpid()}/task").iterdir():
        found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
