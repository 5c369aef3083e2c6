"""Lines of the log."""

import json
import logging
import sys

from mesh.logs import JsonFormatter


def _line(error: Exception) -> dict[str, str]:
    try:
        try:
            raise ValueError("the inner secret")
        except ValueError as inner:
            raise error from inner
    except Exception:
        record = logging.makeLogRecord({"msg": "failed", "levelname": "ERROR", "exc_info": sys.exc_info()})
    line: dict[str, str] = json.loads(JsonFormatter("test").format(record))
    return line


def test_exceptions_are_told_without_what_they_say() -> None:
    """By type and place, those that they came from too: their messages repeat what they were given."""
    line = _line(KeyError("the outer secret"))
    assert "secret" not in json.dumps(line)
    assert ["builtins.KeyError", "caused by builtins.ValueError"] == [
        part for part in line["exception"].split("\n") if not part.startswith("  ")
    ]
    assert "test_logs.py:" in line["exception"]


def test_a_long_chain_of_causes_ends() -> None:
    """Whatever raised what."""
    error: Exception = ValueError("0")
    for number in range(50):
        try:
            raise RuntimeError(str(number)) from error
        except RuntimeError as next_error:
            error = next_error
    record = logging.makeLogRecord({"msg": "failed", "exc_info": (type(error), error, None)})
    assert 8 == json.loads(JsonFormatter("test").format(record))["exception"].count("RuntimeError")
