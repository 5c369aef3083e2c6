"""What is unfinished, by kind of work."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_DEPTHS = text("""
    SELECT t.kind, count(*) AS depth,
           greatest(0, extract(epoch FROM now() - min(t.created_at)) * 1000)::bigint AS oldest_age_ms
    FROM jobs j JOIN tasks t ON t.job_id = j.id
    WHERE j.organization_id = :organization_id AND j.state IN ('pending', 'running')
    GROUP BY t.kind ORDER BY t.kind
""")


@dataclass(frozen=True)
class KindRecord:
    """Unfinished tasks of one kind."""

    kind: str
    depth: int
    oldest_age_ms: int


class Queue:
    """Tasks that wait for workers, or are in their hands."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def depths(self, organization_id: UUID) -> list[KindRecord]:
        """The organization's, for each kind of which there are some."""
        rows = await self._connection.execute(_DEPTHS, {"organization_id": organization_id})
        return [KindRecord(**row._mapping) for row in rows]
