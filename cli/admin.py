"""`pagemesh admin`: what operators do to an installation."""

import argparse
from typing import Any

from cli import rotate_master_key


def add_parser(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds `admin` with its commands."""
    parser = subparsers.add_parser("admin", help="govern an installation", description="Govern an installation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    rotate_master_key.add_parser(commands)
