"""`pagemesh dead`: what was given up; for operators.

Nothing heavy is imported before a command runs, so that `--help` comes at once.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.administration import output, questions
from cli.administration.command import UsageError
from cli.arguments import USAGE_ERROR
from cli.layout import Layout, default_data_directory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cli.arguments import Commands, Parser
    from cli.dead_letters import DeadLetters

    Do = Callable[["DeadLetters", argparse.Namespace], Awaitable[dict[str, Any]]]

Json = dict[str, Any]
_NATS = "PAGEMESH_NATS_URL"
_DESCRIPTION = """\
Look at tasks and facts that were given up, kept for 30 days without the passwords of their documents, and hand them
out again. The broker is that of the stack in the data directory, or --nats, or PAGEMESH_NATS_URL."""
_REQUEUE = """\
Hands it out again under a new message id, and takes it from the dead. It changes something only while its job has not
ended: a job that has failed stays failed. The password of an encrypted document is not kept with it."""


def add_parser(subparsers: "Commands") -> None:
    """Adds `dead` with its commands."""
    parser = subparsers.add_parser("dead", help="look at what was given up", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    newest = _command(commands, "list", "the newest, newest first", _list, _shown_list)
    newest.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (default: 20)")
    one = _command(commands, "show", "what one of them says, without passwords", _show, _shown)
    one.add_argument("sequence", type=_count, metavar="N", help="its number in the list")
    again = _command(commands, "requeue", "hand one of them out again", _requeue, _shown_requeued)
    again.description = _REQUEUE
    again.add_argument("sequence", type=_count, metavar="N", help="its number in the list")
    again.add_argument("--yes", action="store_true", help="do not ask")


def _command(commands: "Commands", name: str, does: str, do: "Do", show: "Callable[[Json], str]") -> "Parser":
    parser = commands.add_parser(name, help=does, description=f"{does.capitalize()}.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory of a stack on this machine")
    parser.add_argument("--nats", metavar="URL", help=f"of the broker ({_NATS})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=partial(_run, do, show))
    return parser


def _run(do: "Do", show: "Callable[[Json], str]", arguments: argparse.Namespace) -> int:
    """Returns the exit code: 0 done; 1 refused or failed; 2 wrong usage, nothing to reach, or not confirmed."""
    import asyncio

    from mesh.errors import PagemeshError

    try:
        if do is _requeue and not arguments.yes:
            if not questions.can_ask():
                raise UsageError("not_confirmed", "There is no terminal to ask on whether to do this; --yes says so.")
            if not questions.agreed(f"Hand out dead letter {arguments.sequence} again?"):
                output.print_failure(arguments.json, "declined", "Nothing was changed.")
                return 1
        answer = asyncio.run(_asked(do, arguments, _address(arguments)))
    except UsageError as error:
        output.print_failure(arguments.json, error.code, str(error))
        return USAGE_ERROR
    except PagemeshError as error:
        output.print_failure(arguments.json, error.code, error.message, error.details)
        return 1
    if arguments.json:
        output.print_json(answer)
    else:
        print(show(answer))
    return 0


async def _asked(do: "Do", arguments: argparse.Namespace, address: str) -> Json:
    from cli.dead_letters import connected

    async with connected(address) as letters:
        return await do(letters, arguments)


def _address(arguments: argparse.Namespace) -> str:
    """The broker's URL. Raises UsageError."""
    from cli.nats import url
    from cli.state import load

    given: str | None = arguments.nats or (None if arguments.data else os.environ.get(_NATS))
    if given:
        return given
    layout = Layout(arguments.data or default_data_directory())
    state = load(layout)
    if state is None:
        message = f"No stack runs in {layout.root}: name its directory with --data, or the broker with --nats."
        raise UsageError("no_target", message)
    if "nats" not in state.ports:
        raise UsageError("no_target", f"The stack in {layout.root} has a broker elsewhere: name it with --nats.")
    try:
        return url(state.ports["nats"], layout.known_secret("nats"))
    except OSError as error:
        raise UsageError("no_target", f"The stack in {layout.root} has no secret for us: {error}") from error


async def _list(letters: "DeadLetters", arguments: argparse.Namespace) -> Json:
    return {"items": [letter.summary() for letter in await letters.newest(arguments.limit)]}


async def _show(letters: "DeadLetters", arguments: argparse.Namespace) -> Json:
    letter = await letters.get(arguments.sequence)
    return {**letter.summary(), "content": letter.content()}


async def _requeue(letters: "DeadLetters", arguments: argparse.Namespace) -> Json:
    letter = await letters.get(arguments.sequence)
    return {**letter.summary(), "message_id": await letters.requeue(letter)}


def _shown_list(answer: Json) -> str:
    if not answer["items"]:
        return "Nothing was given up."
    columns = ("sequence", "kind", "time", "task_id", "job_id")
    return output.table(columns, [[str(item[name] or "-") for name in columns] for item in answer["items"]])


def _shown(answer: Json) -> str:
    import json

    fields = [(name, str(value or "-")) for name, value in answer.items() if name != "content"]
    return f"{output.record(fields)}\n\n{json.dumps(answer['content'], indent=2)}"


def _shown_requeued(answer: Json) -> str:
    return f"Handed out again as {output.safe(answer['message_id'])}."


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
