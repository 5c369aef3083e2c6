"""What was erased, and the receipts that prove it."""

from typing import Literal, cast

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from mesh import client
from pagemesh.results.v1 import erasures_pb2 as pb
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, render, shapes
from services.gateway.validation import NoBody, NoQuery, Query

_ERASURES = f"{PREFIX}/erasures"
_SCOPE = "documents.read"

Kind = Literal["document", "task", "run", "job"]
Reason = Literal["deleted", "expired", "requested"]
_REASONS: dict["pb.ErasureReason.ValueType", Reason] = {
    pb.ERASURE_REASON_DELETED: "deleted",
    pb.ERASURE_REASON_EXPIRED: "expired",
    pb.ERASURE_REASON_REQUESTED: "requested",
}


class DeleteQuery(Query):
    """How to delete."""

    erase: bool = Field(
        default=False, description="Erase it before answering, and answer the receipt; a repeat answers the same one."
    )


class Erasure(TypedDict):
    """Something that is gone; of a `job`, a zero-log analysis, the document stays.

    `receipt` is a JWT that the keys of the JWKS verify; null until it was signed.
    """

    id: shapes.Uuid
    kind: Kind
    reason: Reason
    erased_at: shapes.Time
    objects: int
    receipt: str | None


class ErasureList(TypedDict):
    """Erasures, newest first."""

    items: list[Erasure]
    total: int
    page: int
    per_page: int
    pages: int


class Erasures:
    """Erasures of the caller's things; admins and OAuth clients see those of the organization."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._erasures = neighbours.erasures

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            get(
                _ERASURES,
                self.list,
                "What was erased",
                {200: Answer("Erasures, newest first.", ErasureList, headers=("Link",))},
                PageQuery,
                scope=_SCOPE,
            ),
            get(
                f"{_ERASURES}/{{erasure_id}}",
                self.read,
                "How something was erased: by its own id, or that of a job of it",
                {200: Answer("The erasure with its receipt.", Erasure)},
                scope=_SCOPE,
            ),
        ]

    async def list(self, call: Call[NoBody, PageQuery]) -> Response:
        """One page of erasures."""
        request = pb.ListErasuresRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._erasures.ListErasures, request)
        return list_response(call.request.url, call.query, [shown(one) for one in found.erasures], found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """One erasure."""
        request = pb.GetErasureRequest(erasure_id=call.ids["erasure_id"])
        return json_response(shown((await client.call(self._erasures.GetErasure, request)).erasure))


def shown(erasure: pb.Erasure) -> Erasure:
    """An erasure as the platform API shows it."""
    return {
        "id": erasure.id,
        "kind": cast("Kind", erasure.kind),
        "reason": _REASONS.get(erasure.reason, "deleted"),
        "erased_at": render.time(erasure.erased_at),
        "objects": erasure.objects,
        "receipt": erasure.receipt or None,
    }
