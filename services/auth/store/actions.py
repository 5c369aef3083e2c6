"""The record of what operators did, and its outbox; written in the transaction that does it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.auth.actions import OperatorAction
from services.auth.store.database import Database


class ActionStore(Database):
    """What operators did. It is kept for good."""

    async def actions(self, organization_id: UUID | None, limit: int, offset: int) -> tuple[list[OperatorAction], int]:
        """What concerned the organization, or anything, newest first, and how much there is."""
        values = {"organization_id": organization_id, "limit": limit, "offset": offset}
        async with self._transaction() as connection:
            rows = (await connection.execute(_LIST, values)).all()
            total = await connection.scalar(_COUNT, {"organization_id": organization_id})
        return [_action(row) for row in rows], int(total or 0)

    async def unpublished_actions(self, limit: int) -> list[OperatorAction]:
        """The oldest that wait."""
        async with self._transaction() as connection:
            return [_action(row) for row in (await connection.execute(_UNPUBLISHED, {"limit": limit})).all()]

    async def note_actions_published(self, ids: Sequence[int]) -> None:
        """Records that these were published."""
        async with self._transaction() as connection:
            await connection.execute(_PUBLISHED, {"ids": list(ids)})


async def record_action(
    connection: AsyncConnection,
    operator: str,
    action: str,
    details: Mapping[str, str],
    organization_id: UUID | None = None,
    user_id: UUID | None = None,
) -> OperatorAction:
    """Records what an operator did."""
    values = {
        "operator": operator,
        "action": action,
        "organization_id": organization_id,
        "user_id": user_id,
        "details": json.dumps(dict(details)),
    }
    return _action((await connection.execute(_RECORD, values)).one())


def _action(row: Row[Any]) -> OperatorAction:
    return OperatorAction(
        row.id, row.operator, row.action, row.organization_id, row.user_id, row.details, row.occurred_at
    )


_COLUMNS = "id, operator, action, organization_id, user_id, details, occurred_at"
_RECORD = text(f"""
    INSERT INTO operator_actions (operator, action, organization_id, user_id, details)
    VALUES (:operator, :action, :organization_id, :user_id, CAST(:details AS jsonb)) RETURNING {_COLUMNS}
""")
_WANTED = "CAST(:organization_id AS uuid) IS NULL OR organization_id = :organization_id"
_LIST = text(f"""
    SELECT {_COLUMNS} FROM operator_actions WHERE {_WANTED} ORDER BY id DESC LIMIT :limit OFFSET :offset
""")
_COUNT = text(f"SELECT count(*) FROM operator_actions WHERE {_WANTED}")
_UNPUBLISHED = text(f"SELECT {_COLUMNS} FROM operator_actions WHERE published_at IS NULL ORDER BY id LIMIT :limit")
_PUBLISHED = text("UPDATE operator_actions SET published_at = now() WHERE id = ANY(:ids)")
