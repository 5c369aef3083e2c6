"""The table `ephemeral`: the ledger of zero-log work, which holds counts and times and nothing of any content."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

RUN = "run"
BESIDE = frozenset({"analysis", RUN})
"""Kinds of what is about a document and does not make it."""


@dataclass(frozen=True)
class LedgerRow:
    """A zero-log job, or a run."""

    id: UUID
    root_id: UUID
    """Under which the broker's memory has it: the zero-log document, or the job or run on an ordinary one."""
    document_id: UUID
    organization_id: UUID
    user_id: UUID
    """Whose the document is."""
    kind: str
    """The type of the job, or `run`."""
    expires_at: datetime
    created_at: datetime | None = None
    is_over: bool = False
    """Its time is up, by the database's clock."""
    is_deleted: bool = False

    @property
    def is_document(self) -> bool:
        """The document is in memory as well."""
        return self.root_id == self.document_id

    def is_same(self, other: "LedgerRow") -> bool:
        """Whether it is about the same; a repeat comes later."""
        return (self.root_id, self.document_id, self.organization_id, self.kind) == (
            other.root_id,
            other.document_id,
            other.organization_id,
            other.kind,
        )


@dataclass(frozen=True)
class Counts:
    """What a job has used so far."""

    job_id: UUID
    pages: int
    tokens: int
    ended: bool


_NAMES = tuple(field.name for field in fields(LedgerRow) if not field.name.startswith("is_"))
_COLUMNS = ", ".join((*_NAMES, "expires_at <= now() AS is_over", "deleted_at IS NOT NULL AS is_deleted"))
_OWNED = "organization_id = :organization_id AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner)"
# Its document counts as used once, with the row of the job that reads it.
_BEGIN = text("""
    WITH made AS (
        INSERT INTO ephemeral (id, root_id, document_id, organization_id, user_id, kind, expires_at)
        SELECT :id, :root_id, :document_id, :organization_id, :user_id, :kind, :expires_at
        WHERE NOT EXISTS (SELECT FROM jobs WHERE id = :id) AND NOT EXISTS (SELECT FROM runs WHERE id = :id)
              AND (:kind IN ('analysis', 'run') OR NOT EXISTS (SELECT FROM documents WHERE id = :document_id)
                   AND NOT EXISTS (SELECT FROM ephemeral WHERE document_id = :document_id))
        ON CONFLICT (id) DO NOTHING RETURNING organization_id, kind
    )
    INSERT INTO usage (organization_id, documents) SELECT organization_id, 1 FROM made
    WHERE kind NOT IN ('analysis', 'run')
""")
_BY_ID = text(f"SELECT {_COLUMNS} FROM ephemeral WHERE id = :id AND deleted_at IS NULL AND {_OWNED}")
_OF_JOBS = text(f"SELECT {_COLUMNS} FROM ephemeral WHERE id = ANY(:ids)")
_OF_DOCUMENT = text(f"""
    SELECT {_COLUMNS} FROM ephemeral
    WHERE document_id = :document_id AND deleted_at IS NULL AND {_OWNED} ORDER BY created_at
""")
_DELETE = text(f"""
    UPDATE ephemeral SET deleted_at = now(), erased_at = coalesce(erased_at, now()),
                         ended_at = coalesce(ended_at, now())
    WHERE document_id = :document_id AND deleted_at IS NULL AND {_OWNED}
    RETURNING {_COLUMNS}
""")
# What was counted before is never counted again, however often and by whomever this is told.
_COUNT = text("""
    WITH told AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:pages AS integer[]), CAST(:tokens AS bigint[]),
                             CAST(:ended AS boolean[])) AS t (id, pages, tokens, ended)
    ), before AS (
        SELECT id, pages, tokens FROM ephemeral WHERE id = ANY(:ids) ORDER BY id FOR UPDATE
    ), counted AS (
        UPDATE ephemeral e
        SET pages = greatest(b.pages, t.pages), tokens = greatest(b.tokens, t.tokens),
            ended_at = CASE WHEN t.ended THEN coalesce(e.ended_at, now()) ELSE e.ended_at END
        FROM before b JOIN told t ON t.id = b.id
        WHERE e.id = b.id
        RETURNING e.organization_id, e.pages - b.pages AS pages, e.tokens - b.tokens AS tokens
    )
    INSERT INTO usage (organization_id, pages, tokens)
    SELECT organization_id, pages, tokens FROM counted WHERE pages > 0 OR tokens > 0
""")
_EXPIRED = text(f"""
    UPDATE ephemeral SET erased_at = now(), ended_at = coalesce(ended_at, now())
    WHERE id IN (SELECT id FROM ephemeral WHERE erased_at IS NULL AND expires_at <= now()
                 ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")
_FORGET = text("DELETE FROM ephemeral WHERE expires_at < now() - make_interval(days => :days)")


class Ledger:
    """Zero-log jobs of all organizations; every read for a caller names one, and whose documents alone count."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(self, row: LedgerRow) -> None:
        """Notes a job; one whose id is taken changes nothing."""
        await self._connection.execute(_BEGIN, {name: getattr(row, name) for name in _NAMES})

    async def get(self, organization_id: UUID, job_id: UUID, owner: UUID | None) -> LedgerRow | None:
        """The job; None when there is no such or its document was deleted."""
        values = {"id": job_id, "organization_id": organization_id, "owner": owner}
        found = (await self._connection.execute(_BY_ID, values)).one_or_none()
        return _row(found) if found else None

    async def of_jobs(self, ids: Collection[UUID]) -> dict[UUID, LedgerRow]:
        """The jobs, of whatever organization."""
        return {row.id: _row(row) for row in await self._connection.execute(_OF_JOBS, {"ids": list(ids)})}

    async def of_document(self, organization_id: UUID, document_id: UUID, owner: UUID | None) -> list[LedgerRow]:
        """Zero-log jobs on a document, oldest first."""
        values = {"document_id": document_id, "organization_id": organization_id, "owner": owner}
        return [_row(row) for row in await self._connection.execute(_OF_DOCUMENT, values)]

    async def delete(self, organization_id: UUID, document_id: UUID, owner: UUID | None) -> list[LedgerRow]:
        """Hides every zero-log job on a document; answers those that were there."""
        values = {"document_id": document_id, "organization_id": organization_id, "owner": owner}
        return [_row(row) for row in await self._connection.execute(_DELETE, values)]

    async def count(self, counts: Collection[Counts]) -> None:
        """Takes totals of jobs, which only grow; what they have grown by is what was used."""
        if not counts:
            return
        values: dict[str, Any] = {
            "ids": [one.job_id for one in counts],
            "pages": [one.pages for one in counts],
            "tokens": [one.tokens for one in counts],
            "ended": [one.ended for one in counts],
        }
        await self._connection.execute(_COUNT, values)

    async def expired(self, limit: int) -> list[LedgerRow]:
        """Jobs whose time is up, each for one replica and once."""
        return [_row(row) for row in await self._connection.execute(_EXPIRED, {"limit": limit})]

    async def forget(self, days: int) -> None:
        """Drops the rows of jobs whose time was up so many days ago."""
        await self._connection.execute(_FORGET, {"days": days})


def _row(row: Row[Any]) -> LedgerRow:
    return LedgerRow(**row._mapping)
