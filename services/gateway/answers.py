"""Answers that several endpoints give."""

from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

import orjson
from starlette.responses import Response

T = TypeVar("T")


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def accepted(content: object, status: int, location: str, retry_after: int) -> Response:
    """The answer to accepted work: where its status is and when to ask for it."""
    return json_response(content, status, {"location": location, "retry-after": str(retry_after)})


async def begun(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    """The stream, with its first item already had: what goes wrong at the start is raised here, before any answer."""
    first = [item async for item in _first(stream)]
    return _joined(first, stream)


async def _first(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    async for item in stream:
        yield item
        return


async def _joined(first: list[T], stream: AsyncIterator[T]) -> AsyncIterator[T]:
    for item in first:
        yield item
    async for item in stream:
        yield item
