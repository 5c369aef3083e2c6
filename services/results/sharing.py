"""Whose documents a caller may see: everybody's in the organization, or only what is theirs.

The organization's choice is asked of `auth` with the caller's own token, so that nobody can make it up.
"""

import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from google.protobuf.message import DecodeError

from mesh import client, identity
from mesh.errors import DeadlineExceeded, Unavailable
from pagemesh.auth.v1.auth_pb2 import GetOrganizationRequest
from pagemesh.auth.v1.events_pb2 import IdentityEvent

if TYPE_CHECKING:
    from pagemesh.auth.v1.auth_pb2_grpc import OrganizationServiceAsyncStub

log = logging.getLogger(__name__)

_REMEMBERED_SECONDS = 5.0
_CAPACITY = 10_000
_SEES_ALL = frozenset({"admin", "service"})


class Sharing:
    """What organizations chose, at most 5 s old; while `auth` is away what was known last."""

    def __init__(self, organizations: "OrganizationServiceAsyncStub") -> None:
        self._organizations = organizations
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def owner(self) -> UUID | None:
        """Whose documents alone the caller in hand may see; None for everybody's. Raises Unavailable."""
        caller = identity.current()
        if caller.role in _SEES_ALL or await self._shares(caller.organization_id):
            return None
        return UUID(caller.user_id)

    async def _shares(self, organization_id: str) -> bool:
        known = self._known.get(organization_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            answer = await client.call(self._organizations.GetOrganization, GetOrganizationRequest())
        except (Unavailable, DeadlineExceeded):
            if known is None:
                raise
            return known[1]
        self._remember(organization_id, shares := answer.organization.settings.allow_sharing)
        return shares

    def _remember(self, organization_id: str, shares: bool) -> None:
        self._known[organization_id] = (time.monotonic() + _REMEMBERED_SECONDS, shares)
        self._known.move_to_end(organization_id)
        if len(self._known) > _CAPACITY:
            self._known.popitem(last=False)

    def on_message(self, subject: str, payload: bytes) -> None:
        """Forgets an organization that has changed."""
        try:
            self._known.pop(IdentityEvent.FromString(payload).subject_id, None)
        except DecodeError:
            log.warning("an event that is none", extra={"subject": subject})
