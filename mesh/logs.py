"""Structured logs: one JSON object a line on standard error.

Of exceptions they tell the types and the places in the code, never the messages: those of libraries repeat what they
were given, and that is people's content, or a database statement with it.
"""

import json
import logging
import sys
import time
from traceback import extract_tb
from typing import Any

from mesh import context

_MOST_CAUSES = 8


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON with time, level, service, logger, message, request id, trace and `extra` fields."""

    _STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= context.outgoing_headers()
        line |= {key: value for key, value in vars(record).items() if key not in self._STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)

    def formatException(self, ei: Any) -> str:
        """The exception and what it came from, innermost first, by type and place."""
        told: list[str] = []
        error = ei[1]
        while error is not None and len(told) < _MOST_CAUSES:
            places = (f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in extract_tb(error.__traceback__))
            told.append("\n".join([f"{type(error).__module__}.{type(error).__qualname__}", *places]))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\ncaused by ".join(told)


def configure(service: str, level: str) -> None:
    """Sends every logger's records to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "LiteLLM", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
