"""Answers on the terminal: JSON that stays as it is, or lines for people."""

import json
import sys
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def print_json(content: Json) -> None:
    """One object on standard output, in ASCII, so that it can be printed everywhere and hides nothing."""
    print(json.dumps(content, indent=2))


def print_failure(as_json: bool, code: str, message: str, details: dict[str, str] | None = None) -> None:
    """Why nothing came of it."""
    if as_json:
        print_json({"error": code, "message": message} | ({"details": details} if details else {}))
        return
    field = f" ({details['field']})" if details and "field" in details else ""
    print(f"pagemesh: {safe(message)}{safe(field)}", file=sys.stderr)


def record(fields: Sequence[tuple[str, object]]) -> str:
    """Names with their values, one a line."""
    width = max(len(name) for name, _ in fields)
    return "\n".join(f"{name:<{width}}  {cell(value)}" for name, value in fields)


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under their names, each column as wide as it must be."""
    lines = [list(names), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join(
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def listing(answer: Json, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A page of a list, and where it stands."""
    where = f"Page {answer['page']} of {max(1, answer['pages'])}, {answer['total']} in all."
    return f"{table(names, rows)}\n\n{where}" if rows else f"Nothing here. {where}"


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else safe(str(value))


def safe(text: str) -> str:
    """The text without what could steer a terminal: others chose these names."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
