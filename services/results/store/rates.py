"""The table `rates`: how fast each replica took in what was done, of late."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_TELL = text("""
    INSERT INTO rates (replica, kind, per_second)
    SELECT :replica, kind, per_second
    FROM unnest(CAST(:kinds AS text[]), CAST(:rates AS double precision[])) AS new (kind, per_second)
    ON CONFLICT (replica, kind) DO UPDATE SET per_second = excluded.per_second, measured_at = now()
""")
_FORGET = text("DELETE FROM rates WHERE measured_at < now() - interval '1 day'")
_OTHERS = text("""
    SELECT kind, per_second, extract(epoch FROM now() - measured_at)::double precision AS age
    FROM rates WHERE replica <> :replica
""")


class Rates:
    """Units a second by kind of task."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def tell(self, replica: UUID, rates: Mapping[str, float]) -> None:
        """Says what a replica measured; what any said a day ago and not since is forgotten."""
        if not rates:
            return
        values = {"replica": replica, "kinds": list(rates), "rates": list(rates.values())}
        await self._connection.execute(_TELL, values)
        await self._connection.execute(_FORGET)

    async def others(self, replica: UUID) -> list[tuple[str, float, float]]:
        """Kind, rate and age in seconds of what the other replicas said."""
        rows = await self._connection.execute(_OTHERS, {"replica": replica})
        return [(row.kind, row.per_second, row.age) for row in rows]
