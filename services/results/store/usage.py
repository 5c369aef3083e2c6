"""The tables `usage` and `calls`: what organizations have used."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import UsageRecord

_BETWEEN = "CAST(:first AS date)::timestamp AT TIME ZONE 'UTC'"
_END = "(CAST(:last AS date) + 1)::timestamp AT TIME ZONE 'UTC'"
# Storage is what was there at the end, however long ago it came.
_SUMS = text(f"""
    SELECT
        coalesce(sum(documents) FILTER (WHERE at >= {_BETWEEN}), 0)::bigint AS documents,
        coalesce(sum(pages) FILTER (WHERE at >= {_BETWEEN}), 0)::bigint AS pages,
        coalesce(sum(tokens) FILTER (WHERE at >= {_BETWEEN}), 0)::bigint AS tokens,
        coalesce(sum(storage_bytes), 0)::bigint AS storage_bytes,
        (SELECT coalesce(sum(calls), 0)::bigint FROM calls
         WHERE organization_id = :organization_id AND day BETWEEN :first AND :last) AS calls,
        (SELECT coalesce(sum(calls), 0)::bigint FROM calls
         WHERE organization_id = :organization_id AND day BETWEEN greatest(:first, :gateway_first) AND :last
               AND gateway_id = CAST(:gateway_id AS uuid)) AS calls_of_gateway
    FROM usage WHERE organization_id = :organization_id AND at < {_END}
""")
# In one order, so that two transactions never wait for each other.
_CALLS = text("""
    INSERT INTO calls (organization_id, day, gateway_id, calls)
    SELECT * FROM unnest(CAST(:organizations AS uuid[]), CAST(:days AS date[]), CAST(:gateways AS uuid[]),
                         CAST(:calls AS bigint[])) AS new (organization_id, day, gateway_id, calls)
    ORDER BY organization_id, day, gateway_id
    ON CONFLICT (organization_id, day, gateway_id) DO UPDATE SET calls = greatest(calls.calls, excluded.calls)
""")

CallsKey = tuple[UUID, date, UUID]
"""Organization, day and gateway."""


class Usage:
    """What organizations have used; documents, pages and tokens are added where they are recorded."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def sums(
        self, organization_id: UUID, first: date, last: date, gateway: tuple[UUID | None, date]
    ) -> UsageRecord:
        """Usage of whole days, UTC, the first and the last included; `gateway` asks, and from which day on."""
        values = {"organization_id": organization_id, "first": first, "last": last}
        values |= {"gateway_id": gateway[0], "gateway_first": gateway[1]}
        return UsageRecord(**(await self._connection.execute(_SUMS, values)).one()._mapping)

    async def count_calls(self, totals: Mapping[CallsKey, int]) -> None:
        """Takes totals; smaller ones than are known change nothing."""
        if not totals:
            return
        organizations, days, gateways = zip(*totals, strict=True)
        values = {"organizations": list(organizations), "days": list(days), "gateways": list(gateways)}
        await self._connection.execute(_CALLS, {**values, "calls": list(totals.values())})
