"""The command line: `pagemesh up`, `down`, `status`, `submit`, `admin` and `dead`.

What a command needs is imported when it runs, so that every command starts at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import admin, dead
from cli.arguments import Parser
from cli.layout import Layout, default_data_directory

if TYPE_CHECKING:
    from cli.arguments import Commands

Arguments = argparse.Namespace
_ANALYSES = (
    "summary",
    "financial_analysis",
    "key_value_extraction",
    "classification",
    "tagging",
    "question_answering",
    "custom",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = _parser().parse_args(argv)
    run: Callable[[Arguments], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130


def _parser() -> Parser:
    parser = Parser(prog="pagemesh", description="Documents in; text, tables and answers out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = _command(commands, "up", _up, "start everything on this machine and keep it running")
    up.add_argument("--port", type=int, default=8000, help="of the HTTP API on 127.0.0.1 (default: 8000)")
    up.add_argument("-v", "--verbose", action="store_true", help="show every line of the log")
    _command(commands, "down", _down, "stop what `up` started")
    _command(commands, "status", _status, "show what runs and whether it is ready")
    _add_submit(_command(commands, "submit", _submit, "send documents and show what is found in them"))
    admin.add_parser(commands)
    dead.add_parser(commands)
    return parser


def _command(
    commands: "Commands",
    name: str,
    run: Callable[[Arguments], int],
    does: str,
) -> Parser:
    parser = commands.add_parser(name, help=does, description=does.capitalize() + ".")
    data = "data directory (default: PAGEMESH_DATA or ~/.local/share/pagemesh)"
    parser.add_argument("--data", type=Path, default=None, metavar="DIR", help=data)
    parser.set_defaults(run=run)
    return parser


def _add_submit(parser: Parser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="PDF, PNG, JPEG or TIFF")
    parser.add_argument("--url", help="of another installation; needs --token")
    parser.add_argument("--token", default=os.environ.get("PAGEMESH_TOKEN"), help="or PAGEMESH_TOKEN")
    parser.add_argument(
        "--analysis", dest="analysis_type", choices=_ANALYSES, metavar="TYPE", help=", ".join(_ANALYSES)
    )
    parser.add_argument("--prompt", help="the question, or what to do")
    parser.add_argument("--languages", metavar="ENG+…", help="languages of scanned pages, Tesseract codes joined by +")
    parser.add_argument("--mode", choices=("text", "table", "mixed"), help="what to read (default: mixed)")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write text, tables and analyses there")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _layout(arguments: Arguments) -> Layout:
    return Layout(arguments.data or default_data_directory())


def _up(arguments: Arguments) -> int:
    from cli.up import up

    return up(_layout(arguments), arguments.port, arguments.verbose)


def _down(arguments: Arguments) -> int:
    from cli.up import down

    return down(_layout(arguments))


def _status(arguments: Arguments) -> int:
    from cli.up import status

    return status(_layout(arguments))


def _submit(arguments: Arguments) -> int:
    from cli.submit import NowhereToSubmitError, Submission, submit

    names = ("analysis_type", "prompt", "languages", "mode")
    fields = {name: value for name in names if (value := getattr(arguments, name))}
    submission = Submission(arguments.files, fields, arguments.save, arguments.json)
    try:
        return submit(submission, _layout(arguments), arguments.url, arguments.token)
    except NowhereToSubmitError as error:
        print(f"pagemesh: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
