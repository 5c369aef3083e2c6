"""`pagemesh admin rotate-master-key`: another master key takes the place of the one that wraps all keys."""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.layout import Layout, default_data_directory

if TYPE_CHECKING:
    from services.auth.rotation import Rotated

_DESCRIPTION = """\
Wrap every signing key and every stored secret by another master key, while everything runs.

On one machine (`pagemesh up`) a new key is made, and takes the place of the one in the data directory.
Elsewhere set PAGEMESH_MASTER_KEY (or its _FILE) to the new key and the old one, in this order, restart every `auth` so,
run this with the same settings and PAGEMESH_DATABASE_URL, then take the old key away.

It may be broken off anywhere and run again: it goes on where it was."""
_QUESTION = "Wrap everything by another master key? Backups made before need the old one. [y/N] "


def add_parser(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "rotate-master-key",
        help="wrap all keys by another master key",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory of a stack on this machine")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command and returns its exit code: 1 when it failed, 2 when there is nothing to do it to."""
    if not _confirmed(arguments.yes):
        return _failed(arguments, "not_confirmed", "Nothing was changed: it was not confirmed (--yes).", 2)
    from cli.master_key import CannotRotateError, rotate
    from mesh.errors import PagemeshError
    from services.auth.master_keys import WrongMasterKey

    try:
        done = asyncio.run(rotate(Layout(arguments.data or default_data_directory())))
    except CannotRotateError as error:
        return _failed(arguments, error.code, str(error), 2)
    except WrongMasterKey as error:
        which = f"the master key with the id {error.key_id}, which" if error.key_id else "a master key that"
        message = f"The record is under {which} is not given here."
        return _failed(arguments, "wrong_master_key", message, 1)
    except PagemeshError as error:
        return _failed(arguments, error.code, error.message, 1)
    except OSError as error:
        return _failed(arguments, "io_error", str(error), 1)
    print(json.dumps(asdict(done)) if arguments.json else _told(done))
    return 0


def _confirmed(yes: bool) -> bool:
    return yes or (sys.stdin.isatty() and input(_QUESTION).strip().lower() in ("y", "yes"))


def _told(done: "Rotated") -> str:
    before = done.previous_key_id
    place = f"is in the place of {before}" if before not in (None, done.key_id) else "is in place"
    lines = [
        f"Master key {done.key_id} {place}.",
        f"Wrapped anew: signing keys: {done.signing_keys}, provider keys: {done.provider_keys}.",
    ]
    if done.unreadable:
        lines.append(
            f"Left as they are: {done.unreadable} that no known key opens; their owners must store them again."
        )
    elif not done.signing_keys + done.provider_keys:
        lines.append("Everything was under it before. Where you give the key yourself, give a new one before it.")
    return "\n".join(lines)


def _failed(arguments: argparse.Namespace, code: str, message: str, exit_code: int) -> int:
    if arguments.json:
        print(json.dumps({"error": code, "message": message}))
    else:
        print(f"pagemesh: {message}", file=sys.stderr)
    return exit_code
