"""The table `templates`: one row a version, none of which ever changes."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import TemplateRecord
from services.results.store.documents import as_json

_COLUMNS = "name, version, description, instructions, output_schema, model, variables, user_id, request_id, created_at"
# Versions go on counting after a template was deleted: results name them.
_INSERT = text(f"""
    INSERT INTO templates (organization_id, name, version, description, instructions, output_schema, model, variables,
                           user_id, request_id)
    SELECT :organization_id, :name, coalesce(max(version), 0) + 1, :description, :instructions,
           CAST(:output_schema AS jsonb), :model, CAST(:variables AS jsonb), :user_id, :request_id
    FROM templates WHERE organization_id = :organization_id AND name = :name
    RETURNING {_COLUMNS}
""")
# Whoever writes a template holds its name, so that versions follow each other.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:organization_id || '/' || :name, 0))")
_GET = text(f"""
    SELECT {_COLUMNS} FROM templates
    WHERE organization_id = :organization_id AND name = :name AND deleted_at IS NULL
    AND (:version = 0 OR version = :version) ORDER BY version DESC LIMIT 1
""")
_NEWEST = """
    SELECT DISTINCT ON (name) * FROM templates WHERE organization_id = :organization_id AND deleted_at IS NULL
    ORDER BY name, version DESC
"""
_LIST = text(f"SELECT {_COLUMNS} FROM ({_NEWEST}) newest ORDER BY name LIMIT :limit OFFSET :offset")
_COUNT = text(f"SELECT count(*) FROM ({_NEWEST}) newest")
_DELETE = text("""
    UPDATE templates SET deleted_at = now()
    WHERE organization_id = :organization_id AND name = :name AND deleted_at IS NULL
""")


class Templates:
    """Templates of all organizations; every statement names one."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, organization_id: UUID, name: str) -> None:
        """Holds the name until the transaction ends, whether there is such a template or not."""
        await self._connection.execute(_LOCK, {"organization_id": str(organization_id), "name": name})

    async def insert(self, organization_id: UUID, template: TemplateRecord) -> TemplateRecord:
        """Records the next version under the template's name, as which it is answered."""
        values: dict[str, Any] = {**vars(template), "organization_id": organization_id}
        schema = template.output_schema
        values |= {
            "variables": as_json(template.variables),
            "output_schema": None if schema is None else as_json(schema),
        }
        return _template((await self._connection.execute(_INSERT, values)).one())

    async def get(self, organization_id: UUID, name: str, version: int = 0) -> TemplateRecord | None:
        """The template's version, 0 for its newest; None when there is no such."""
        values = {"organization_id": organization_id, "name": name, "version": version}
        row = (await self._connection.execute(_GET, values)).one_or_none()
        return _template(row) if row else None

    async def list(self, organization_id: UUID, limit: int, offset: int) -> tuple[list[TemplateRecord], int]:
        """Newest versions by name, and how many templates there are in all."""
        values = {"organization_id": organization_id, "limit": limit, "offset": offset}
        rows = await self._connection.execute(_LIST, values)
        total = (await self._connection.execute(_COUNT, {"organization_id": organization_id})).scalar_one()
        return [_template(row) for row in rows], total

    async def delete(self, organization_id: UUID, name: str) -> bool:
        """Deletes every version; False when there is none."""
        values = {"organization_id": organization_id, "name": name}
        return bool((await self._connection.execute(_DELETE, values)).rowcount)


def _template(row: Row[Any]) -> TemplateRecord:
    return TemplateRecord(**row._mapping)
