"""Every field of every gRPC request with what nobody means well with: an error that says so, and never a defect."""

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.attacks.conftest import World
from tests.attacks.hostile import LARGE_NUMBERS, NUMBERS, TEXTS
from tests.attacks.methods import Leaf, Method, call, every_method
from tests.attacks.requests import good

METHODS = [method for method in every_method() if method.leaves()]
NO_DEFECT = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "PERMISSION_DENIED"),
    *("UNAUTHENTICATED", "RESOURCE_EXHAUSTED"),
}
_AT_ONCE = 4


def values(leaf: Leaf) -> Iterator[tuple[str, Any]]:
    """What to put into a field, by its type."""
    field = leaf.field
    if field.message_type is not None:
        yield from (("a time", Timestamp(seconds=each, nanos=-1)) for each in LARGE_NUMBERS)
    elif field.type == field.TYPE_STRING:
        yield from TEXTS.items()
    elif field.type == field.TYPE_BYTES:
        yield from (("bytes", each) for each in (b"", b"\0", b"\xff" * 5_000, b"%PDF-1.7\n" * 200))
    elif field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        yield from (("a number", each) for each in (math.nan, math.inf, -math.inf, -1.0))
    elif field.type == field.TYPE_ENUM:
        yield from (("a choice", each) for each in (-1, 99, (1 << 31) - 1))
    elif field.type in (field.TYPE_INT32, field.TYPE_INT64):
        yield from (("a number", each) for each in (NUMBERS if field.type == field.TYPE_INT32 else LARGE_NUMBERS))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.label)
async def test_nonsense_is_told_as_such(world: World, method: Method) -> None:
    """One field at a time of a request that is good otherwise."""
    places = asyncio.Semaphore(_AT_ONCE)
    async with world.attacking() as attacker:
        whole = await good(method, attacker)

        channel, token = world.channels[method.service], attacker.person.token

        async def told(leaf: Leaf, value: Any) -> str:
            async with places:
                answer = await call(channel, method, _with(whole, leaf, value), token)
            assert "Traceback" not in answer.message
            return answer.code

        tried = [(leaf, what, value) for leaf in method.leaves() for what, value in values(leaf)]
        codes = await asyncio.gather(*(told(leaf, value) for leaf, _, value in tried))
    answers = zip(tried, codes, strict=True)
    wrong = [(leaf.label, what, code) for (leaf, what, _), code in answers if code not in NO_DEFECT]
    assert [] == wrong


def _with(requests: list[Message], leaf: Leaf, value: Any) -> list[Message]:
    changed = type(requests[0])()
    changed.CopyFrom(requests[0])
    leaf.put(changed, value)
    return [changed, *requests[1:]]
