"""The log keeps every line and shows the ones that matter."""

import io
import logging
from pathlib import Path

import pytest

from cli.log import StackLog


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "info", "message": "listening"}', ""),
        ('{"level": "warning", "message": "slow", "seconds": 3}', "ocr       WARNING slow seconds=3\n"),
        (
            '{"level": "error", "message": "bad", "exception": "Trace\\nValueError: x"}',
            "ocr       ERROR bad ValueError: x\n",
        ),
        ("[7] 2026/01/31 12:00:00.1 [INF] Server is ready", ""),
        ("[7] 2026/01/31 12:00:00.1 [ERR] disk full", "ocr       [7] 2026/01/31 12:00:00.1 [ERR] disk full\n"),
        ("2026-01-31 UTC [7] LOG:  checkpoint", ""),
        ("2026-01-31 UTC [7] FATAL:  no space", "ocr       2026-01-31 UTC [7] FATAL:  no space\n"),
        ("Segmentation fault", "ocr       Segmentation fault\n"),
        ("{not json", "ocr       {not json\n"),
    ],
)
def test_warnings_reach_the_terminal(tmp_path: Path, line: str, shown: str) -> None:
    """What is below a warning stays in the file; the rest is shown with the child's name."""
    terminal = io.StringIO()
    log = StackLog(tmp_path / "log", logging.WARNING, terminal)
    log.line("ocr", line)
    log.close()
    assert (shown, True) == (terminal.getvalue(), line in (tmp_path / "log").read_text())


def test_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Beyond its size the file must be put aside, and only three old ones kept."""
    log = StackLog(tmp_path / "log", logging.CRITICAL, io.StringIO(), file_bytes=100)
    for _ in range(6):
        log.line("ocr", "x" * 90)
    log.close()
    assert ["log", "log.1", "log.2", "log.3"] == sorted(path.name for path in tmp_path.iterdir())
