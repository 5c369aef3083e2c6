"""Which installation is meant: where its `auth` listens, and what proves an operator there."""

import getpass
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from cli.administration.command import UsageError
from cli.layout import Layout, default_data_directory
from cli.state import load
from mesh.settings import MeshSettings

_ADDRESS = "PAGEMESH_AUTH_URL"


class OperatorSettings(MeshSettings):
    """What the environment says of an installation elsewhere."""

    admin_secret: SecretStr = SecretStr("")


@dataclass(frozen=True)
class Target:
    """Where to go, and as whom."""

    address: str
    secret: str = field(repr=False)
    operator: str
    settings: MeshSettings


def find(data: Path | None, address: str | None, operator: str | None) -> Target:
    """What the arguments mean, else what the environment says, else the stack in the usual data directory.

    Raises UsageError; ValidationError for settings that are none.
    """
    settings = OperatorSettings()
    address = address or (None if data else os.environ.get(_ADDRESS))
    given = settings.admin_secret.get_secret_value()
    if address:
        secret = given or settings.service_secret.get_secret_value()
        if not secret:
            raise UsageError("no_target", f"{address} needs the operators' secret: PAGEMESH_ADMIN_SECRET.")
    else:
        address, secret = _local(Layout(data or default_data_directory()), given)
    return Target(address, secret, operator or _who(), settings)


def _local(layout: Layout, given: str) -> tuple[str, str]:
    state = load(layout)
    if state is None:
        raise UsageError(
            "no_target",
            f"No stack runs in {layout.root}: start one with `pagemesh up`, name its directory with --data,"
            " or the address of auth with --auth.",
        )
    try:
        return f"unix:{state.sockets['auth']}", given or layout.known_secret("admin")
    except (OSError, KeyError) as error:
        message = f"The stack in {layout.root} has no operators' secret for us: {error}"
        raise UsageError("no_target", message) from error


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # nobody has this number
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
