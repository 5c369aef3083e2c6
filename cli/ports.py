"""Free TCP ports of the loopback interface."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range from which systems take ports for outgoing connections: a port that waits there for a server that is
# being restarted could be taken by a client's connection meanwhile, even by a connection to itself.
_LOWEST, _HIGHEST = 15_000, 31_999
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """So many different free ports. Raises OSError when there are none."""
    chosen: list[int] = []
    for _ in range(_TRIES + count):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311  # spreads stacks over ports; hides nothing
        if port not in chosen and is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise OSError("no free TCP port on the loopback interface")


def remembered_port(file: Path) -> int:
    """The port that the file holds when it is still free; else a free one, which the file then holds."""
    try:
        port = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        port = 0
    if not port or not is_free(port):
        port = free_ports(1)[0]
        file.write_text(f"{port}\n", encoding="ascii")
    return port
