"""`pagemesh admin`: what operators do to a running installation.

Each module of `cli.administration` that has commands adds them itself; one more takes one more line in `_MODULES`.
"""

import argparse
from typing import TYPE_CHECKING

from cli import rotate_master_key
from cli.administration import actions, keys, organizations, users

if TYPE_CHECKING:
    from cli.arguments import Commands

_MODULES = (
    organizations.add,
    users.add,
    keys.add,
    actions.add,
    rotate_master_key.add_parser,
)
_DESCRIPTION = """\
Govern a running installation: its organizations, their limits, its users, its signing keys.

The installation is found by its data directory, as `pagemesh status` finds it; or else by the address of `auth`, from
--auth or PAGEMESH_AUTH_URL, with the operators' secret in PAGEMESH_ADMIN_SECRET (without one PAGEMESH_SERVICE_SECRET).
What changes or ends something asks first, unless told --yes; without a terminal and without --yes it is refused.
Every change is recorded with the name of the operator: see `pagemesh admin actions`."""
_EXAMPLES = """\
examples:
  pagemesh admin create-organization "Acme" --tier pro
  pagemesh admin create-user ada@example.org --organization ID --name "Ada" --role admin
  pagemesh admin set-limits ID --rpm 300 --rps none
  pagemesh admin disable-user ada@example.org --yes --json

exit codes: 0 done, 1 refused or failed, 2 wrong usage, nothing to reach, or not confirmed. With --json there is always
one JSON object on standard output; a failure is {"error": CODE, "message": TEXT}."""


def add_parser(subparsers: "Commands") -> None:
    """Adds `admin` with its commands."""
    parser = subparsers.add_parser(
        "admin",
        help="govern organizations, limits, users and keys",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in _MODULES:
        add(commands)
