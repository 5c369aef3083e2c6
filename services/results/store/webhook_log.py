"""What callers ask of webhooks: their organization's deliveries, and which secret it has."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.store.webhooks import COLUMNS, delivery
from services.results.webhooks.records import AttemptRecord, DeliveryRecord, SecretVersion

_VISIBLE = """
    d.organization_id = :organization_id AND (CAST(:owner AS uuid) IS NULL OR d.user_id = :owner)
"""
_BY_ID = text(f"SELECT {COLUMNS} FROM webhook_deliveries d WHERE d.id = :id AND {_VISIBLE}")
_MATCH = f"""
    FROM webhook_deliveries d
    WHERE {_VISIBLE} AND (CAST(:state AS text) = '' OR d.state = :state)
    AND (CAST(:job_id AS uuid) IS NULL OR d.job_id = :job_id)
"""
_LIST = text(f"SELECT {COLUMNS} {_MATCH} ORDER BY d.created_at DESC, d.id DESC LIMIT :limit OFFSET :offset")
_COUNT = text(f"SELECT count(*) {_MATCH}")
_ATTEMPTS = text("""
    SELECT number, at, status_code, error, duration_ms FROM webhook_attempts
    WHERE delivery_id = :id ORDER BY number DESC LIMIT :limit
""")
_AGAIN = text(f"""
    UPDATE webhook_deliveries d
    SET state = 'pending', tried = 0, begun_at = now(), next_attempt_at = now(), delivered_at = NULL,
        check_at = now() + interval '2 seconds'
    WHERE d.id = :id AND {_VISIBLE}
    RETURNING {COLUMNS}
""")
_VERSION = text("SELECT version, rotated_at FROM webhook_secrets WHERE organization_id = :organization_id")
_ROTATE = text("""
    INSERT INTO webhook_secrets AS s (organization_id, version, rotated_at, request_id)
    VALUES (:organization_id, 2, now(), :request_id)
    ON CONFLICT (organization_id) DO UPDATE
    SET version = s.version + 1, rotated_at = now(), request_id = :request_id
    WHERE s.request_id IS DISTINCT FROM CAST(:request_id AS uuid) OR s.request_id IS NULL
""")


class WebhookLog:
    """Deliveries of one organization at a time; with an owner only those about that person's documents."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, organization_id: UUID, delivery_id: UUID, owner: UUID | None) -> DeliveryRecord | None:
        """The delivery, or None when there is no such."""
        values = {"id": delivery_id, "organization_id": organization_id, "owner": owner}
        row = (await self._connection.execute(_BY_ID, values)).one_or_none()
        return delivery(row) if row else None

    async def list(
        self, organization_id: UUID, owner: UUID | None, state: str, job_id: UUID | None, limit: int, offset: int
    ) -> tuple[list[DeliveryRecord], int]:
        """A list's worth of deliveries, newest first, and how many match in all."""
        match: dict[str, Any] = {"organization_id": organization_id, "owner": owner, "state": state, "job_id": job_id}
        rows = await self._connection.execute(_LIST, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [delivery(row) for row in rows], total

    async def attempts(self, delivery_id: UUID, limit: int) -> Sequence[AttemptRecord]:
        """The latest attempts at a delivery, oldest first."""
        rows = await self._connection.execute(_ATTEMPTS, {"id": delivery_id, "limit": limit})
        return [AttemptRecord(**row._mapping) for row in rows][::-1]

    async def again(self, organization_id: UUID, delivery_id: UUID, owner: UUID | None) -> DeliveryRecord | None:
        """The delivery, begun anew; None when there is no such."""
        values = {"id": delivery_id, "organization_id": organization_id, "owner": owner}
        row = (await self._connection.execute(_AGAIN, values)).one_or_none()
        return delivery(row) if row else None

    async def secret(self, organization_id: UUID) -> SecretVersion:
        """Which secret the organization has."""
        row = (await self._connection.execute(_VERSION, {"organization_id": organization_id})).one_or_none()
        return SecretVersion(row.version, row.rotated_at) if row else SecretVersion()

    async def rotate(self, organization_id: UUID, request_id: UUID | None) -> None:
        """Gives the organization another secret, unless this request was the last that did."""
        await self._connection.execute(_ROTATE, {"organization_id": organization_id, "request_id": request_id})
