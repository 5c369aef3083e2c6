"""The one log of a stack: every line of every child goes to the file, those that matter to the terminal too."""

import json
import logging
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

_FILE_BYTES = 20 << 20
_OLD_FILES = 3
_MARKS = {
    # NATS: "[123] 2025/01/31 12:00:00.000000 [WRN] text"; PostgreSQL: "… UTC [123] WARNING:  text"
    logging.DEBUG: re.compile(r"\[(DBG|TRC)\]|\bDEBUG\d?: "),
    logging.INFO: re.compile(r"\[INF\]|\b(LOG|INFO|NOTICE|DETAIL|HINT|STATEMENT|CONTEXT): "),
    logging.WARNING: re.compile(r"\[WRN\]|\bWARNING: "),
    logging.ERROR: re.compile(r"\[(ERR|FTL)\]|\b(ERROR|FATAL|PANIC): "),
}
_USUAL = ("time", "level", "service", "logger", "message", "exception")


class StackLog:
    """Writes the file and the terminal."""

    def __init__(
        self, path: Path, threshold: int, terminal: TextIO | None = None, file_bytes: int = _FILE_BYTES
    ) -> None:
        self._file = RotatingFileHandler(path, maxBytes=file_bytes, backupCount=_OLD_FILES, encoding="utf-8")
        self._terminal = terminal or sys.stderr
        self.threshold = threshold
        """Level from which lines are shown on the terminal."""

    def line(self, name: str, text: str) -> None:
        """A line that the child of that name wrote."""
        told = _as_json(text)
        self._write(text if told else f"{name}: {text}")
        if _level(told, text) >= self.threshold:
            self._show(name, _worded(told) if told else text)

    def say(self, text: str) -> None:
        """A line of the supervisor itself, always shown."""
        self._write(f"pagemesh: {text}")
        self._show("pagemesh", text)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, text: str) -> None:
        self._file.emit(logging.makeLogRecord({"msg": text}))

    def _show(self, name: str, text: str) -> None:
        print(f"{name:<9} {text}", file=self._terminal, flush=True)


def _as_json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _level(told: dict[str, Any] | None, text: str) -> int:
    if told is not None:
        number = logging.getLevelName(str(told.get("level", "")).upper())
        return number if isinstance(number, int) else logging.INFO
    for level, mark in _MARKS.items():
        if mark.search(text):
            return level
    return logging.WARNING  # what nobody formatted is a traceback, or the complaint of a library


def _worded(told: dict[str, Any]) -> str:
    details = " ".join(f"{key}={value}" for key, value in told.items() if key not in _USUAL)
    exception = str(told.get("exception", "")).rpartition("\n")[2]
    parts = (str(told.get("level", "")).upper(), str(told.get("message", "")), exception, details)
    return " ".join(part for part in parts if part)
