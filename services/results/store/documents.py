"""The table `documents`."""

import re
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import DocumentRecord

COLUMNS = """id, organization_id, user_id, filename, original_filename, file_size, mime_type, sha256, storage_key,
             state, page_count, metadata, created_at, updated_at, hidden"""

_BY_ID = text(f"""
    SELECT {COLUMNS} FROM documents
    WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NULL
    AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner) AND (:hidden OR NOT hidden)
""")
_DELETE = text("""
    WITH deleted AS (
        UPDATE documents SET deleted_at = now(), updated_at = now()
        WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NULL
        AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner)
        AND (CAST(:hidden AS boolean) IS NULL OR hidden = :hidden)
        RETURNING organization_id, file_size
    )
    INSERT INTO usage (organization_id, storage_bytes) SELECT organization_id, -file_size FROM deleted
""")
_FETCHED = text("""
    WITH stored AS (
        UPDATE documents SET filename = :filename, original_filename = :original_filename, file_size = :file_size,
                             mime_type = :mime_type, sha256 = :sha256, storage_key = :storage_key, updated_at = now()
        WHERE id = :id RETURNING organization_id
    )
    INSERT INTO usage (organization_id, storage_bytes) SELECT organization_id, :file_size FROM stored
""")
_STORED = ("id", "filename", "original_filename", "file_size", "mime_type", "sha256", "storage_key")
VISIBLE = """
    organization_id = :organization_id AND deleted_at IS NULL AND NOT hidden
    AND (CAST(:owner AS uuid) IS NULL OR user_id = :owner)
    AND (CAST(:state AS text) = '' OR state = :state)
"""
_MATCH = f"""
    {VISIBLE}
    AND (CAST(:search AS text) = '' OR original_filename ILIKE :search)
"""
_COUNT = text(f"SELECT count(*) FROM documents WHERE {_MATCH}")
# The escape itself and not the text of it, whose backslash is escaped in turn.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
SORTS = {"created_at": "created_at", "filename": "original_filename", "file_size": "file_size"}


class Documents:
    """Documents of all organizations; every read names one, and whose alone it may see: None for everybody's."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(
        self, organization_id: UUID, document_id: UUID, owner: UUID | None, hidden: bool = False
    ) -> DocumentRecord | None:
        """The document, or None when there is no such; one that is hidden only for whoever may see those too."""
        parameters = {"id": document_id, "organization_id": organization_id, "owner": owner, "hidden": hidden}
        row = (await self._connection.execute(_BY_ID, parameters)).one_or_none()
        return document(row) if row else None

    async def delete(
        self, organization_id: UUID, document_id: UUID, owner: UUID | None, hidden: bool | None = False
    ) -> bool:
        """Deletes the document, the hidden one, or with None either; False when there is none."""
        values = {"id": document_id, "organization_id": organization_id, "owner": owner, "hidden": hidden}
        result = await self._connection.execute(_DELETE, values)
        return bool(result.rowcount)

    async def fetched(self, document: DocumentRecord) -> None:
        """Records the original of a document that had none."""
        await self._connection.execute(_FETCHED, {name: getattr(document, name) for name in _STORED})

    async def list(
        self,
        organization_id: UUID,
        owner: UUID | None,
        state: str,
        search: str,
        sort: str,
        ascending: bool,
        limit: int,
        offset: int,
    ) -> tuple[list[DocumentRecord], int]:
        """A list's worth of documents, and how many match in all."""
        pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if search else ""
        match = {"organization_id": organization_id, "owner": owner, "state": state, "search": pattern}
        direction = "ASC" if ascending else "DESC"
        statement = text(
            f"SELECT {COLUMNS} FROM documents WHERE {_MATCH} "
            f"ORDER BY {SORTS[sort]} {direction}, id {direction} LIMIT :limit OFFSET :offset"
        )
        rows = await self._connection.execute(statement, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [document(row) for row in rows], total


def document(row: Row[Any]) -> DocumentRecord:
    """The record of a row with COLUMNS."""
    return DocumentRecord(**row._mapping)


def as_json(value: object) -> str:
    """The value as JSON text that PostgreSQL takes: it has no NUL character."""
    return _NUL.sub(r"\1", orjson.dumps(value).decode())
