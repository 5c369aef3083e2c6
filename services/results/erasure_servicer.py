"""The gRPC service of erasures: proto ⇄ domain; the caller's organization is always the token's."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import InvalidArgument, NotFound
from mesh.ids import to_uuid
from pagemesh.results.v1 import erasures_pb2 as pb
from pagemesh.results.v1.erasures_pb2_grpc import ErasureServiceServicer
from services.results.store import Store
from services.results.tombstones import message

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

# OAuth clients are machines of the organization that its admins made; what they are asked for is the audit.
_SEES_ALL = frozenset({"admin", "service", "client"})


class ErasureServicer(ErasureServiceServicer):
    """What was erased."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetErasure(self, request: pb.GetErasureRequest, context: "Context") -> pb.GetErasureResponse:
        """See the proto."""
        caller = identity.current()
        thing_id = to_uuid(request.erasure_id, "erasure_id")
        async with self._store.reading() as tables:
            found = await tables.erasures.of_owner(UUID(caller.organization_id), thing_id, _owner(caller))
        if found is None or found.erased_at is None:
            raise NotFound("There is no such erasure.")
        return pb.GetErasureResponse(erasure=message(found))

    async def ListErasures(self, request: pb.ListErasuresRequest, context: "Context") -> pb.ListErasuresResponse:
        """See the proto."""
        caller = identity.current()
        page, per_page = request.page or 1, request.per_page or 20
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("page is at least 1, per_page from 1 to 100.", field="page")
        async with self._store.reading() as tables:
            found, total = await tables.erasures.list(
                UUID(caller.organization_id), _owner(caller), per_page, (page - 1) * per_page
            )
        return pb.ListErasuresResponse(erasures=map(message, found), total=total)


def _owner(caller: identity.Identity) -> UUID | None:
    """Whose erasures alone the caller may see, shared or not; None for everybody's."""
    return None if caller.role in _SEES_ALL else UUID(caller.user_id)
