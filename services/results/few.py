"""Doing something for many things, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 4
"""Fewer than the connections that are kept open: whoever waits for an answer comes first."""


async def for_each(things: Collection[T], do: Callable[[T], Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """Does it for all of them. Raises the first error, when all have ended."""
    slots = asyncio.Semaphore(at_once)

    async def one(thing: T) -> None:
        async with slots:
            await do(thing)

    outcomes = await asyncio.gather(*map(one, things), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
