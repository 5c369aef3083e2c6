"""Commands on signing keys."""

from typing import TYPE_CHECKING

from cli.administration import output
from cli.administration.command import Arguments, Command, Json, add_command

if TYPE_CHECKING:
    from cli.administration.client import AdminClient
    from cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Adds the commands."""
    rotate = Command("rotate-keys", "make the next signing key now", _rotate, _shown, _ask_rotate)
    add_command(commands, rotate).description = (
        "Make the next signing key now instead of at the end of the term. It is published at once and signs ten minutes"
        " later, when every service has it; the one before it goes on verifying what it signed."
    )


def _shown(answer: Json) -> str:
    made = "made now" if answer["made"] else "waits already; none was made"
    return output.record(
        [
            ("signs now", answer["signing"]["kid"]),
            ("follows", f"{answer['next']['kid']} ({made})"),
            ("from", answer["next"]["signs_from"]),
        ]
    )


async def _ask_rotate(client: "AdminClient", arguments: Arguments) -> str:
    return "Make the next signing key now?"


async def _rotate(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.rotate_keys()
