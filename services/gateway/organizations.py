"""Organizations of callers, remembered for a little while, or until `auth` tells that they have changed."""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from google.protobuf.message import DecodeError

from pagemesh.auth.v1 import auth_pb2
from pagemesh.auth.v1.events_pb2 import IdentityEvent

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 30.0
_CAPACITY = 10_000


class Organizations:
    """What `auth` says of the caller's organization, at most 30 s old where word of a change got lost."""

    def __init__(self, ask: Callable[[], Awaitable[auth_pb2.Organization]]) -> None:
        self._ask = ask
        self._remembered: OrderedDict[str, tuple[float, auth_pb2.Organization]] = OrderedDict()
        self.changes = 0
        """Grows with every change that is told of; what was made of an organization before it is old."""

    async def get(self, organization_id: str) -> auth_pb2.Organization:
        """The organization of the caller in hand, whose id is given. Raises what asking raises."""
        until, organization = self._remembered.get(organization_id, (0.0, None))
        if organization is None or until < time.monotonic():
            organization = await self.told(self._ask)
        return organization

    async def told(self, ask: Callable[[], Awaitable[auth_pb2.Organization]]) -> auth_pb2.Organization:
        """What an answer says, which is remembered unless something changed while it was on its way."""
        changes = self.changes
        organization = await ask()
        if changes == self.changes:
            self._remembered[organization.id] = (time.monotonic() + REMEMBERED_SECONDS, organization)
            self._remembered.move_to_end(organization.id)
            if len(self._remembered) > _CAPACITY:
                self._remembered.popitem(last=False)
        return organization

    def on_message(self, subject: str, payload: bytes) -> None:
        """Forgets an organization that has changed."""
        try:
            organization_id = IdentityEvent.FromString(payload).subject_id
        except DecodeError:
            log.warning("an event that is none", extra={"subject": subject})
            return
        self.changes += 1
        self._remembered.pop(organization_id, None)

    async def forget_all(self) -> None:
        """Forgets everything: word of changes may have been missed."""
        self.changes += 1
        self._remembered.clear()
