"""Commands on organizations and their limits."""

import argparse
from typing import TYPE_CHECKING

from cli.administration import output
from cli.administration.command import Arguments, Command, Json, UsageError, add_command, add_paging

if TYPE_CHECKING:
    from cli.administration.client import AdminClient
    from cli.arguments import Commands, Parser

TIERS = ("free", "pro", "enterprise")
_WINDOWS = {"rps": "per_second", "rpm": "per_minute", "rph": "per_hour"}
_MOST_REQUESTS = 1_000_000_000


def add(commands: "Commands") -> None:
    """Adds the commands."""
    listed = add_command(commands, Command("organizations", "list organizations, oldest first", _list, _shown_list))
    listed.add_argument("--search", default="", metavar="TEXT", help="a part of the name, or an id")
    add_paging(listed)
    _organization(add_command(commands, Command("show-organization", "show one organization", _show, shown)))
    create = add_command(commands, Command("create-organization", "make an organization", _create, shown))
    create.add_argument("name", metavar="NAME")
    create.add_argument("--tier", choices=TIERS, help="its plan (default: PAGEMESH_DEFAULT_TIER of the installation)")
    tier = add_command(commands, Command("set-tier", "put an organization on another plan", _tier, shown, _ask_tier))
    _organization(tier)
    tier.add_argument("tier", choices=TIERS)
    _add_limits(commands)
    disable = Command("disable-organization", "refuse everybody of an organization", _disable, shown, _ask_disable)
    _organization(add_command(commands, disable))
    enable = Command("enable-organization", "let an organization in again", _enable, shown, _ask_enable)
    _organization(add_command(commands, enable))


def _add_limits(commands: "Commands") -> None:
    does = "set what an organization may request beside its tier"
    limits = add_command(commands, Command("set-limits", does, _limits, shown, _ask_limits, _check_limits))
    _organization(limits)
    for name, window in _WINDOWS.items():
        text = f"requests {window.replace('_', ' ')}; none: as its tier"
        limits.add_argument(f"--{name}", type=limit, metavar="N", help=text)
    does = "give an organization the limits of its tier again"
    _organization(add_command(commands, Command("clear-limits", does, _clear, shown, _ask_clear)))


def _organization(parser: "Parser") -> None:
    parser.add_argument("organization", metavar="ORGANIZATION", help="its id")


def limit(text: str) -> int:
    """A number of requests; 0 for `none`. Raises ArgumentTypeError."""
    if text == "none":
        return 0
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 to {_MOST_REQUESTS:,} nor none")
    return number


def shown(organization: Json) -> str:
    """An organization for people."""
    limits = organization["rate_limits"]
    fields: list[tuple[str, object]] = [
        ("organization", organization["name"]),
        ("id", organization["id"]),
        ("tier", organization["tier"]),
        ("enabled", organization["is_active"]),
        ("members", organization["member_count"]),
        *((window.replace("_", " "), limits[window] or "as its tier") for window in _WINDOWS.values()),
        ("created", organization["created_at"]),
        ("changed", organization["updated_at"]),
    ]
    return output.record(fields)


def _shown_list(answer: Json) -> str:
    rows = [
        (one["id"], one["tier"], one["is_active"], one["member_count"], *one["rate_limits"].values(), one["name"])
        for one in answer["items"]
    ]
    return output.listing(answer, ("ID", "TIER", "ENABLED", "MEMBERS", "RPS", "RPM", "RPH", "NAME"), rows)


async def _list(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.organizations(arguments.search, arguments.page, arguments.per_page)


async def _show(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.organization(arguments.organization)


async def _create(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.create_organization(arguments.name, arguments.tier)


async def _ask_tier(client: "AdminClient", arguments: Arguments) -> str:
    before = await client.organization(arguments.organization)
    return f"Change {before['name']} from tier {before['tier']} to {arguments.tier}?"


async def _tier(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_tier(arguments.organization, arguments.tier)


def _wanted(arguments: Arguments) -> dict[str, int]:
    given = {window: getattr(arguments, name) for name, window in _WINDOWS.items()}
    return {window: number for window, number in given.items() if number is not None}


def _check_limits(arguments: Arguments) -> None:
    if not _wanted(arguments):
        raise UsageError("usage", "This needs --rps, --rpm or --rph.")


async def _ask_limits(client: "AdminClient", arguments: Arguments) -> str:
    before = await client.organization(arguments.organization)
    wanted = ", ".join(
        f"{window.replace('_', ' ')} {number or 'as its tier'}" for window, number in _wanted(arguments).items()
    )
    return f"Set the limits of {before['name']} to {wanted}?"


async def _limits(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_rate_limits(arguments.organization, _wanted(arguments))


async def _ask_clear(client: "AdminClient", arguments: Arguments) -> str:
    before = await client.organization(arguments.organization)
    return f"Give {before['name']} the limits of its tier, {before['tier']}, again?"


async def _clear(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_rate_limits(arguments.organization, dict.fromkeys(_WINDOWS.values(), 0))


async def _ask_disable(client: "AdminClient", arguments: Arguments) -> str:
    before = await client.organization(arguments.organization)
    members = before["member_count"]
    return f"Disable {before['name']}? {members} members, their API keys and all OAuth clients are refused at once."


async def _disable(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_organization_active(arguments.organization, False)


async def _ask_enable(client: "AdminClient", arguments: Arguments) -> str:
    before = await client.organization(arguments.organization)
    return f"Enable {before['name']}, its API keys and its OAuth clients? Its members log in again."


async def _enable(client: "AdminClient", arguments: Arguments) -> Json:
    return await client.set_organization_active(arguments.organization, True)
