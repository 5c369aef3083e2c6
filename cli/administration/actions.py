"""The command that shows what operators did."""

from typing import TYPE_CHECKING

from cli.administration import output
from cli.administration.command import Arguments, Command, Json, add_command, add_paging

if TYPE_CHECKING:
    from cli.administration.client import AdminClient
    from cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Adds the command."""
    listed = add_command(commands, Command("actions", "list what operators did, newest first", _list, _shown))
    listed.add_argument("--organization", default="", metavar="ID", help="to this organization alone")
    add_paging(listed)


def _shown(answer: Json) -> str:
    rows = [
        (one["occurred_at"], one["operator"], one["action"], one["organization_id"], one["user_id"], _details(one))
        for one in answer["items"]
    ]
    return output.listing(answer, ("WHEN", "OPERATOR", "ACTION", "ORGANIZATION", "USER", "DETAILS"), rows)


def _details(action: Json) -> str:
    return " ".join(f"{name}={value or '-'}" for name, value in action["details"].items())


async def _list(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.actions(arguments.organization, arguments.page, arguments.per_page)
