"""What is unfinished, by kind of work: tasks, and deliveries of webhooks."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_DEPTHS = text("""
    SELECT t.kind, count(*) AS depth,
           greatest(0, extract(epoch FROM now() - min(t.created_at)) * 1000)::bigint AS oldest_age_ms
    FROM jobs j JOIN tasks t ON t.job_id = j.id
    WHERE j.organization_id = :organization_id AND j.state IN ('pending', 'running')
    GROUP BY t.kind
    UNION ALL
    SELECT 'deliver', count(*), greatest(0, extract(epoch FROM now() - min(begun_at)) * 1000)::bigint
    FROM webhook_deliveries
    WHERE organization_id = :organization_id AND state = 'pending'
    HAVING count(*) > 0
    ORDER BY kind
""")


@dataclass(frozen=True)
class KindRecord:
    """Unfinished work of one kind."""

    kind: str
    depth: int
    oldest_age_ms: int


class Queue:
    """Work that waits for workers or for its next attempt, or is in hand."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def depths(self, organization_id: UUID) -> list[KindRecord]:
        """The organization's, for each kind of which there are some."""
        rows = await self._connection.execute(_DEPTHS, {"organization_id": organization_id})
        return [KindRecord(**row._mapping) for row in rows]
