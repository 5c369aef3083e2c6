"""Computing in a thread of its own that stops when nobody waits for it any more.

A long document takes the built-in analyzer a while, and a job that was cancelled must not go on taking the processor.
"""

import asyncio
import contextvars
import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Stopped(BaseException):
    """Raised inside the thread, wherever it is."""


async def compute(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `asyncio.to_thread`; cancelled, it stops the work as well, between two steps of the interpreter."""
    context = contextvars.copy_context()
    computation: _Computation[T] = _Computation(lambda: context.run(work, *args, **kwargs))
    try:
        return await computation.future
    except asyncio.CancelledError:
        computation.stop()
        raise


class _Computation(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self._ending = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        # Under the lock the thread cannot end meanwhile, and leave its number to another.
        with self._ending:
            if not self._ended and self._thread.ident is not None:
                number = ctypes.c_ulong(self._thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(_Stopped))

    def _run(self) -> None:
        with suppress(_Stopped):
            try:
                result = self._work()
            except Exception as error:
                self._tell(self.future.set_exception, error)
            else:
                self._tell(self.future.set_result, result)
            with self._ending:
                self._ended = True

    def _tell(self, settle: Callable[[Any], None], outcome: object) -> None:
        def settle_unless_left() -> None:
            if not self.future.done():
                settle(outcome)

        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(settle_unless_left)
