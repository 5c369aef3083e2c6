"""Fields of requests as the record wants them, and waiting for what they ask about."""

import asyncio
from typing import TYPE_CHECKING, Any

from mesh.errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper as EnumTypeWrapper


def choice(kind: "EnumTypeWrapper[Any]", number: int, prefix: str, field: str) -> str:
    """The enumeration's name as the record spells it; empty when not said. Raises InvalidArgument."""
    if number and number not in kind.values():
        raise InvalidArgument(f"{field} has no such value.", field=field)
    return kind.Name(number).removeprefix(prefix).lower() if number else ""


def window(page: int, per_page: int) -> tuple[int, int]:
    """How many of a list, and after how many. Raises InvalidArgument."""
    page, per_page = page or 1, per_page or 20
    if page < 1 or not 1 <= per_page <= 100:
        raise InvalidArgument("page is at least 1, per_page from 1 to 100.", field="page")
    return per_page, (page - 1) * per_page


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most so long, and clears it."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
    finally:
        event.clear()
