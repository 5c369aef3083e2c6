"""Organizations of callers, remembered for a little while."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pagemesh.auth.v1 import auth_pb2

REMEMBERED_SECONDS = 30.0
_CAPACITY = 10_000


class Organizations:
    """What `auth` says of the caller's organization, at most 30 s old."""

    def __init__(self, ask: Callable[[], Awaitable[auth_pb2.Organization]]) -> None:
        self._ask = ask
        self._remembered: OrderedDict[str, tuple[float, auth_pb2.Organization]] = OrderedDict()

    async def get(self, organization_id: str) -> auth_pb2.Organization:
        """The organization of the caller in hand, whose id is given. Raises what asking raises."""
        until, organization = self._remembered.get(organization_id, (0.0, None))
        if organization is None or until < time.monotonic():
            organization = self.remember(await self._ask())
        return organization

    def remember(self, organization: auth_pb2.Organization) -> auth_pb2.Organization:
        """Takes what was just told."""
        self._remembered[organization.id] = (time.monotonic() + REMEMBERED_SECONDS, organization)
        self._remembered.move_to_end(organization.id)
        if len(self._remembered) > _CAPACITY:
            self._remembered.popitem(last=False)
        return organization
