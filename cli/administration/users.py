"""Commands on users."""

from typing import TYPE_CHECKING

from cli.administration import output, questions
from cli.administration.command import Arguments, Command, Json, add_command, add_paging

if TYPE_CHECKING:
    from cli.administration.client import AdminClient
    from cli.arguments import Commands, Parser

_ROLES = ("user", "admin")


def add(commands: "Commands") -> None:
    """Adds the commands."""
    listed = add_command(commands, Command("users", "list users, oldest first", _list, _shown_list))
    listed.add_argument("--organization", default="", metavar="ID", help="of this organization alone")
    listed.add_argument("--search", default="", metavar="TEXT", help="a part of the mail address or name, or an id")
    add_paging(listed)
    _user(add_command(commands, Command("show-user", "show one user", _show, _shown)))
    _add_create(commands)
    disable = Command("disable-user", "refuse a user, an organization's last admin too", _disable, _shown, _ask_disable)
    _user(add_command(commands, disable))
    _user(add_command(commands, Command("enable-user", "let a user in again", _enable, _shown, _ask_enable)))


def _add_create(commands: "Commands") -> None:
    create = add_command(commands, Command("create-user", "make a user", _create, _shown, prepare=_take_password))
    create.description = "Make a user, with a generated password that is shown once unless one is given."
    create.add_argument("email", metavar="EMAIL", help="mail address to log in with")
    create.add_argument("--organization", required=True, metavar="ID", help="to which the user is to belong")
    create.add_argument("--name", required=True, help="what to call the person")
    create.add_argument("--role", choices=_ROLES, default="user", help="right inside the organization (default: user)")
    password = create.add_mutually_exclusive_group()
    password.add_argument("--password-stdin", action="store_true", help="the password is the first line of the input")
    password.add_argument("--ask-password", action="store_true", help="ask for the password on the terminal")


def _user(parser: "Parser") -> None:
    parser.add_argument("user", metavar="USER", help="mail address or id")


def _shown(user: Json) -> str:
    fields: list[tuple[str, object]] = [
        ("user", user["email"]),
        ("id", user["id"]),
        ("name", user["full_name"]),
        ("role", user["role"]),
        ("enabled", user["is_active"]),
        ("organization", user["organization_name"]),
        ("organization id", user["organization_id"]),
        ("created", user["created_at"]),
        ("last login", user["last_login"]),
    ]
    if "password" in user:
        fields.append(("password", f"{user['password']} (shown this once)"))
    return output.record(fields)


def _shown_list(answer: Json) -> str:
    rows = [
        (one["id"], one["role"], one["is_active"], one["last_login"], one["email"], one["organization_name"])
        for one in answer["items"]
    ]
    return output.listing(answer, ("ID", "ROLE", "ENABLED", "LAST LOGIN", "EMAIL", "ORGANIZATION"), rows)


async def _list(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.users(arguments.organization, arguments.search, arguments.page, arguments.per_page)


async def _show(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.user(arguments.user)


async def _create(client: "AdminClient", arguments: Arguments) -> Json:
    password = arguments.password or questions.generated_password()
    made = await client.create_user(arguments.organization, arguments.email, arguments.name, arguments.role, password)
    return made if arguments.password else {**made, "password": password}


def _take_password(arguments: Arguments) -> None:
    arguments.password = None
    if arguments.password_stdin:
        arguments.password = questions.password_from_stdin()
    elif arguments.ask_password:
        arguments.password = questions.password_from_terminal()


async def _ask_disable(client: "AdminClient", arguments: Arguments) -> str:
    user = await client.user(arguments.user)
    return f"Disable {user['email']} of {user['organization_name']}? Sessions, tokens and API keys are refused at once."


async def _disable(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_user_active(arguments.user, False)


async def _ask_enable(client: "AdminClient", arguments: Arguments) -> str:
    user = await client.user(arguments.user)
    return f"Enable {user['email']} of {user['organization_name']}?"


async def _enable(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_user_active(arguments.user, True)
