"""Tombstones: what is known of things that were erased, and how their absence is told."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import NotFound
from pagemesh.results.v1.erasures_pb2 import Erasure, ErasureReason

if TYPE_CHECKING:
    from services.results.store import Store

T = TypeVar("T")

DELETED, EXPIRED, REQUESTED = "deleted", "expired", "requested"


@dataclass(frozen=True)
class Tombstone:
    """Something that is erased, or about to be; nothing of its content."""

    id: UUID
    """Of what was erased; of a task or a run in the record, its document's."""
    organization_id: UUID
    user_id: UUID | None
    """Whose it was; None: nobody's."""
    kind: str
    """`document`, `task`, `run`: lower-case letters and underscores, at most 32."""
    reason: str
    """`deleted`, `expired` or `requested`."""
    digest: str = ""
    """SHA-256 of the original, in hexadecimal; empty: it had none, or it is not to be told."""
    erased_at: datetime | None = None
    """None while something of it may be left."""
    objects: int | None = None
    """How many blobs and rows it was."""
    receipt: str | None = None
    """None until `auth` has signed it."""
    known_as: UUID | None = None
    """What callers know it by, if not by its id: nobody but this service knows of the document of a task."""

    @property
    def subject(self) -> UUID:
        """The id that callers are told."""
        return self.known_as or self.id


async def missing(
    store: "Store", organization_id: UUID, thing_id: UUID, owner: UUID | None, kind: str = "document"
) -> NotFound:
    """Why the organization has no such thing: EXPIRED to whoever could see it, else NOT_FOUND. Raises Unavailable."""
    async with store.reading() as tables:
        has_expired = await tables.erasures.has_expired(organization_id, thing_id, owner)
    if has_expired:
        return NotFound(f"The {kind} has expired.", "EXPIRED")
    return NotFound(f"There is no such {kind}.")


async def in_memory(
    asking: Awaitable[T],
    store: "Store",
    organization_id: UUID,
    thing_id: UUID,
    owner: UUID | None,
    kind: str = "document",
) -> T:
    """Zero-log work that the record does not have; where it is not there either, why the organization has none of it.

    Raises as `asking` does, and NotFound.
    """
    try:
        return await asking
    except NotFound as error:
        if error.reason != NotFound.default_reason:
            raise
        raise await missing(store, organization_id, thing_id, owner, kind) from error


def message(tombstone: Tombstone) -> Erasure:
    """An erasure for a caller who may see it."""
    stamp = Timestamp()
    if tombstone.erased_at is not None:
        stamp.FromDatetime(tombstone.erased_at)
    return Erasure(
        id=str(tombstone.subject),
        kind=tombstone.kind,
        reason=ErasureReason.Value(f"ERASURE_REASON_{tombstone.reason.upper()}"),
        erased_at=stamp,
        objects=tombstone.objects or 0,
        receipt=tombstone.receipt or "",
    )
