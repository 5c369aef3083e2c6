"""The child side of `sandbox.py`: `python -m mesh.sandbox_child HANDLER MEMORY_BYTES CPU_SECONDS`.

Reads requests from standard input (length, bytes), writes frames to standard output (kind, length, bytes). Limits
itself before it opens anything: address space, processor time per task, no core file, no new file larger than 256 MiB,
no new privileges, and it dies with its parent.
"""

import ctypes
import gc
import importlib
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

_HEADER = struct.Struct("<BI")
_FRAME, _END, _FAILED = 0, 1, 2
_GROWN = b"grown"
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

Handler = Callable[[bytes], Iterable[bytes]]
"""One that answers an iterator has each frame sent at once; a list's frames go together."""


def _mapped_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit_for_ever(memory_bytes: int) -> int:
    """Sets what no task changes; answers the mapped memory above which this process has grown too much."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    mapped = _mapped_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, mapped + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20, 256 << 20))
    return mapped + memory_bytes // 2


def _allow_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


def _serve(handler: Handler, requests: BinaryIO, answers: BinaryIO, cpu_seconds: int, grown_bytes: int) -> None:
    while header := requests.read(4):
        request = requests.read(struct.unpack("<I", header)[0])
        _allow_cpu(cpu_seconds)
        try:
            frames = handler(request)
            streamed = isinstance(frames, Iterator)
            for frame in frames:
                answers.write(_HEADER.pack(_FRAME, len(frame)) + frame)
                if streamed:
                    answers.flush()
            end = _GROWN if _mapped_bytes() > grown_bytes else b""
            answers.write(_HEADER.pack(_END, len(end)) + end)
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
    grown_bytes = _limit_for_ever(int(memory_bytes))
    gc.freeze()
    _serve(handler, sys.stdin.buffer, answers, int(cpu_seconds), grown_bytes)


if __name__ == "__main__":
    main()
