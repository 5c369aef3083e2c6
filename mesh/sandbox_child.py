"""The child side of `sandbox.py`: `python -m mesh.sandbox_child HANDLER MEMORY_BYTES CPU_SECONDS`.

Reads requests from standard input (length, bytes), writes frames to standard output (kind, length, bytes). Limits
itself before it opens anything: address space, processor time per task, no core file, no new file larger than 256 MiB,
no new privileges, and it dies with its parent.
"""

import ctypes
import importlib
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

_HEADER = struct.Struct("<BI")
_FRAME, _END, _FAILED = 0, 1, 2
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

Handler = Callable[[bytes], Iterator[bytes]]


def _limit_for_ever(memory_bytes: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, mapped + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20, 256 << 20))


def _allow_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


def _serve(handler: Handler, requests: BinaryIO, answers: BinaryIO, cpu_seconds: int) -> None:
    while header := requests.read(4):
        request = requests.read(struct.unpack("<I", header)[0])
        _allow_cpu(cpu_seconds)
        try:
            for frame in handler(request):
                answers.write(_HEADER.pack(_FRAME, len(frame)) + frame)
                answers.flush()
            answers.write(_HEADER.pack(_END, 0))
        except MemoryError:
            os._exit(137)  # what is left of the heap is not to be trusted with the next document
        except Exception as error:
            name = type(error).__name__.encode()
            answers.write(_HEADER.pack(_FAILED, len(name)) + name)
        answers.flush()


def main() -> None:
    """Serves until standard input ends."""
    name, memory_bytes, cpu_seconds = sys.argv[1:4]
    module, _, function = name.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)
    # Whatever a library prints must not get between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_for_ever(int(memory_bytes))
    _serve(handler, sys.stdin.buffer, answers, int(cpu_seconds))


if __name__ == "__main__":
    main()
