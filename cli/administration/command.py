"""What a command is: whom it asks, what it answers, and how it is found on the command line.

Nothing heavy is imported before a command runs, so that `--help` comes at once.
"""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.administration.client import AdminClient
    from cli.arguments import Commands, Parser

Arguments = argparse.Namespace
Json = dict[str, Any]


class UsageError(Exception):
    """What was typed, or the place where it was typed, is not enough to begin with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Command:
    """One command of an operator."""

    name: str
    does: str
    """What it does, as a sentence without its end."""
    run: Callable[["AdminClient", Arguments], Awaitable[Json]]
    """Does it. Raises a PagemeshError."""
    show: Callable[[Json], str]
    """What `run` answered, for people."""
    question: Callable[["AdminClient", Arguments], Awaitable[str]] | None = None
    """What to ask before it is done; raises a PagemeshError. None: nothing is changed or ended."""
    prepare: Callable[[Arguments], None] | None = None
    """Checks the arguments together and completes them before anything is asked. Raises UsageError."""


def add_command(commands: "Commands", command: Command) -> "Parser":
    """Adds a command with the options that all have."""
    parser = commands.add_parser(command.name, help=command.does, description=f"{command.does.capitalize()}.")
    where = parser.add_argument_group("which installation, and how")
    where.add_argument("--data", type=Path, metavar="DIR", help="data directory of a stack on this machine")
    where.add_argument("--auth", metavar="ADDRESS", help="gRPC address of auth elsewhere (PAGEMESH_AUTH_URL)")
    where.add_argument("--operator", metavar="NAME", help="recorded with every change (default: user@host)")
    where.add_argument("--json", action="store_true", help="print JSON")
    if command.question:
        where.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=partial(_run, command))
    return parser


def add_paging(parser: "Parser") -> None:
    """Options of lists."""
    parser.add_argument("--page", type=int, default=1, metavar="N", help="from 1 (default: 1)")
    parser.add_argument("--per-page", type=int, default=20, metavar="N", help="1 to 100 (default: 20)")


def _run(command: Command, arguments: Arguments) -> int:
    from cli.administration.run import run

    return run(command, arguments)
