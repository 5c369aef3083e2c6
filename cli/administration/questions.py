"""What is asked on the terminal: whether to go on, and passwords."""

import getpass
import secrets
import sys

from cli.administration.command import UsageError
from cli.administration.output import safe

_GENERATED_BYTES = 15


def can_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def agreed(question: str) -> bool:
    """Whether the answer is yes; nothing, and the end of the input, are no."""
    print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def generated_password() -> str:
    """120 random bits in 20 characters."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def password_from_stdin() -> str:
    """The first line of standard input. Raises UsageError."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("no_password", "There is no password on standard input.")
    return password


def password_from_terminal() -> str:
    """Asked for twice, not shown. Raises UsageError."""
    if not can_ask():
        raise UsageError("no_password", "There is no terminal to ask for a password on; use --password-stdin.")
    password = getpass.getpass("Password: ")
    if not password or password != getpass.getpass("Once more: "):
        raise UsageError("no_password", "These are two passwords, or none.")
    return password
