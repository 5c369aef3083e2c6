"""Runs a command: finds the installation, asks whether to go on, prints what came of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError

from cli.administration import output, questions
from cli.administration.client import AdminClient, connected
from cli.administration.command import Arguments, Command, Json, UsageError
from cli.administration.target import Target, find
from cli.arguments import USAGE_ERROR
from mesh.errors import PagemeshError, Unavailable

_FAILED = 1

T = TypeVar("T")


class DeclinedError(Exception):
    """Nothing was changed."""


def run(command: Command, arguments: Arguments) -> int:
    """Returns the exit code: 0 done; 1 refused or failed; 2 wrong usage, nothing to reach, or not confirmed."""

    def fail(exit_code: int, code: str, message: str, details: dict[str, str] | None = None) -> int:
        output.print_failure(arguments.json, code, message, details)
        return exit_code

    try:
        answer = _answer(command, arguments)
    except UsageError as error:
        return fail(USAGE_ERROR, error.code, str(error))
    except ValidationError as error:
        return fail(USAGE_ERROR, "invalid_settings", _worded(error))
    except DeclinedError:
        return fail(_FAILED, "declined", "Nothing was changed.")
    except PagemeshError as error:
        return fail(_FAILED, error.code, error.message, error.details)
    if arguments.json:
        output.print_json(answer)
    else:
        print(command.show(answer))
    return 0


def _answer(command: Command, arguments: Arguments) -> Json:
    asks = command.question is not None and not arguments.yes
    if asks and not questions.can_ask():
        raise UsageError("not_confirmed", "There is no terminal to ask on whether to do this; --yes says so.")
    if command.prepare:
        command.prepare(arguments)
    target = find(arguments.data, arguments.auth, arguments.operator)
    # People are asked while no event loop runs: it would keep Ctrl-C from them.
    if command.question and asks and not questions.agreed(asyncio.run(_asked(command.question, arguments, target))):
        raise DeclinedError
    return asyncio.run(_asked(command.run, arguments, target))


async def _asked(ask: Callable[[AdminClient, Arguments], Awaitable[T]], arguments: Arguments, target: Target) -> T:
    async with connected(target) as client:
        try:
            return await ask(client, arguments)
        except Unavailable as error:
            raise Unavailable(f"{error.message} (auth at {target.address})") from error


def _worded(error: ValidationError) -> str:
    names = (f"PAGEMESH_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
    return "; ".join(names)
