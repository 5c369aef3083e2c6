"""The outbox of what others must know of identities; written in the transaction that makes it so."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auth.records import IdentityEvent
from services.auth.store.database import Database


class EventStore(Database):
    """Events that wait to be published, and those that somebody may still have to learn of."""

    async def unpublished_events(self, limit: int) -> list[IdentityEvent]:
        """The oldest that wait."""
        async with self._transaction() as connection:
            return [_event(row) for row in (await connection.execute(_UNPUBLISHED, {"limit": limit})).all()]

    async def note_published(self, ids: Sequence[int]) -> None:
        """Records that these were published."""
        async with self._transaction() as connection:
            await connection.execute(_PUBLISHED, {"ids": list(ids)})

    async def publish_events_again(self) -> None:
        """Has every event published again that has not lost its meaning yet: the broker may have lost its store."""
        async with self._transaction() as connection:
            await connection.execute(_AGAIN)


async def record_event(
    connection: AsyncConnection, kind: str, subject: UUID, life: timedelta, generation: int = 0
) -> IdentityEvent:
    """Records that tokens are dead, the last of which would live so long."""
    values = {"kind": kind, "subject": subject, "life": life, "generation": generation}
    return _event((await connection.execute(_RECORD, values)).one())


def _event(row: Row[Any]) -> IdentityEvent:
    return IdentityEvent(row.id, row.kind, row.subject_id, row.generation, row.occurred_at, row.expires_at)


_COLUMNS = "id, kind, subject_id, generation, occurred_at, expires_at"
_RECORD = text(f"""
    INSERT INTO identity_events (kind, subject_id, generation, expires_at)
    VALUES (:kind, :subject, :generation, now() + :life) RETURNING {_COLUMNS}
""")
_UNPUBLISHED = text(f"SELECT {_COLUMNS} FROM identity_events WHERE published_at IS NULL ORDER BY id LIMIT :limit")
_PUBLISHED = text("UPDATE identity_events SET published_at = now() WHERE id = ANY(:ids)")
_AGAIN = text("UPDATE identity_events SET published_at = NULL WHERE expires_at > now() AND published_at IS NOT NULL")
