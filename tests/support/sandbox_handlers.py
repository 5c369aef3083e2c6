"""Handlers for tests of the sandbox; the request's first word says what to do."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator

_HOARD: list[bytearray] = []


def handle(request: bytes) -> Iterator[bytes]:
    """Does what the request says."""
    name, _, rest = request.partition(b" ")
    yield from _HANDLERS[name.decode()](rest)


def _echo(rest: bytes) -> Iterator[bytes]:
    yield rest


def _pid(rest: bytes) -> Iterator[bytes]:
    yield str(os.getpid()).encode()


def _count(rest: bytes) -> Iterator[bytes]:
    yield from (str(number).encode() for number in range(int(rest)))


def _large(rest: bytes) -> Iterator[bytes]:
    yield b"x" * int(rest)


def _crash(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    ctypes.string_at(0)
    yield b"after"


def _exit(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    os._exit(0)


def _spin(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    while True:
        pass


def _sleep(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    time.sleep(3600)


def _slow(rest: bytes) -> Iterator[bytes]:
    for number in range(5):
        time.sleep(0.5)
        yield str(number).encode()


def _hog(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def _grow(rest: bytes) -> Iterator[bytes]:
    _HOARD.append(bytearray(int(rest)))
    yield str(os.getpid()).encode()


def _raise(rest: bytes) -> Iterator[bytes]:
    yield b"before"
    raise LookupError("secret of the document")


def _print(rest: bytes) -> Iterator[bytes]:
    print("printed by Python", flush=True)
    os.write(1, b"\x00\x01\x02printed by a library\n")
    ctypes.CDLL(None).puts(b"printed by C")
    yield b"answer"
    sys.stdout.write("printed afterwards")
    sys.stdout.flush()


def _environment(rest: bytes) -> Iterator[bytes]:
    yield "\n".join(f"{name}={value}" for name, value in os.environ.items()).encode()


def _write(rest: bytes) -> Iterator[bytes]:
    with open(rest.decode(), "wb") as file:
        file.seek(300 << 20)
        file.write(b"x")
    yield b"written"


_HANDLERS = {
    "echo": _echo,
    "pid": _pid,
    "count": _count,
    "large": _large,
    "crash": _crash,
    "exit": _exit,
    "spin": _spin,
    "sleep": _sleep,
    "slow": _slow,
    "hog": _hog,
    "grow": _grow,
    "raise": _raise,
    "print": _print,
    "environment": _environment,
    "write": _write,
}
