"""The table `pages`: a row is a page that was settled, and it is settled once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import PageRecord, Problem, Spent

_TYPES = {
    "number": "integer",
    "width": "real",
    "height": "real",
    "source": "text",
    "language": "text",
    "confidence": "real",
    "text": "text",
    "table_count": "integer",
    "engine": "text",
    "layout": "bytea",
    "layout_key": "text",
    "problem_code": "text",
    "problem_message": "text",
}
COLUMNS = ", ".join(_TYPES)
ARRAYS = ", ".join(f"CAST(:page_{name} AS {kind}[])" for name, kind in _TYPES.items())
_PAGE_FIELDS = tuple(field.name for field in fields(PageRecord) if field.name != "problem")

_SETTLE = text(f"""
    WITH settled AS (
        INSERT INTO pages (document_id, {COLUMNS})
        SELECT * FROM unnest(CAST(:document_ids AS uuid[]), {ARRAYS})
        ON CONFLICT (document_id, number) DO NOTHING
        RETURNING document_id, number, problem_code
    ), used AS (
        INSERT INTO usage (organization_id, pages)
        SELECT d.organization_id, count(*) FROM settled s JOIN documents d ON d.id = s.document_id
        WHERE s.problem_code IS NULL GROUP BY d.organization_id
    )
    SELECT document_id, number FROM settled
""")
_SETTLED = text("SELECT number FROM pages WHERE document_id = :document_id AND number = ANY(:numbers)")
_FAILED = text("""
    SELECT number, problem_code, problem_message FROM pages
    WHERE document_id = :document_id AND problem_code IS NOT NULL ORDER BY number
""")
_FORGET_FAILED = text("DELETE FROM pages WHERE document_id = :document_id AND problem_code IS NOT NULL")
_LANGUAGE = text("""
    SELECT language FROM pages WHERE document_id = :document_id AND problem_code IS NULL AND language <> ''
    GROUP BY language ORDER BY count(*) DESC, language LIMIT 1
""")
_ENGINES = text("""
    SELECT DISTINCT engine FROM pages WHERE document_id = :document_id AND problem_code IS NULL ORDER BY engine
""")
_READ = "document_id = :document_id AND problem_code IS NULL"
_AFTER = text(f"SELECT {COLUMNS} FROM pages WHERE {_READ} AND number > :after ORDER BY number LIMIT :limit")
_OFFSET = text(f"SELECT {COLUMNS} FROM pages WHERE {_READ} ORDER BY number LIMIT :limit OFFSET :offset")
_SOURCES = text(f"SELECT number, source FROM pages WHERE {_READ} ORDER BY number")
_COUNT = text(f"SELECT count(*) FROM pages WHERE {_READ}")


Key = tuple[UUID, int]
"""Document and page number."""


class Pages:
    """Pages of documents; whoever reads them has looked the document up for its caller before."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def settle(self, pages: Mapping[Key, PageRecord]) -> list[Key]:
        """Records pages of any documents; answers the keys of those that were not settled before, in no order."""
        if not pages:
            return []
        values = arrays(pages.values()) | {"document_ids": [document_id for document_id, _ in pages]}
        return [(row.document_id, row.number) for row in await self._connection.execute(_SETTLE, values)]

    async def unsettled(self, document_id: UUID, numbers: Collection[int]) -> list[int]:
        """Those of the numbers that are not settled, in order."""
        rows = await self._connection.execute(_SETTLED, {"document_id": document_id, "numbers": list(numbers)})
        return sorted(set(numbers) - set(rows.scalars()))

    async def failures(self, document_id: UUID) -> tuple[tuple[int, Problem], ...]:
        """Numbers and problems of the pages that could not be read."""
        rows = await self._connection.execute(_FAILED, {"document_id": document_id})
        return tuple((row.number, Problem(row.problem_code, row.problem_message)) for row in rows)

    async def spent(self, document_id: UUID) -> Spent:
        """The pages read so far, and those that could not be read."""
        rows = (await self._connection.execute(_SOURCES, {"document_id": document_id})).all()
        ocr = sum(row.source == "ocr" for row in rows)
        return Spent(tuple(row.number for row in rows), ocr, await self.failures(document_id))

    async def forget_failed(self, document_id: UUID) -> None:
        """Leaves the pages that could not be read to be settled again."""
        await self._connection.execute(_FORGET_FAILED, {"document_id": document_id})

    async def language(self, document_id: UUID) -> str:
        """The language of most of the document's pages; empty when none could be told."""
        return (await self._connection.execute(_LANGUAGE, {"document_id": document_id})).scalar_one_or_none() or ""

    async def engines(self, document_id: UUID) -> list[str]:
        """Names and versions of what read the document's pages."""
        return list((await self._connection.execute(_ENGINES, {"document_id": document_id})).scalars())

    async def list(self, document_id: UUID, limit: int, offset: int) -> tuple[list[PageRecord], int]:
        """A list's worth of the pages read so far, and how many there are in all."""
        parameters = {"document_id": document_id, "limit": limit, "offset": offset}
        rows = await self._connection.execute(_OFFSET, parameters)
        total = (await self._connection.execute(_COUNT, {"document_id": document_id})).scalar_one()
        return [_page(row) for row in rows], total

    async def after(self, document_id: UUID, number: int, limit: int) -> Sequence[PageRecord]:
        """The next pages read so far, in order, after the one of that number."""
        parameters = {"document_id": document_id, "after": number, "limit": limit}
        return [_page(row) for row in await self._connection.execute(_AFTER, parameters)]


def arrays(pages: Collection[PageRecord]) -> dict[str, list[Any]]:
    """The values of COLUMNS, for ARRAYS."""
    values: dict[str, list[Any]] = {f"page_{name}": [getattr(page, name) for page in pages] for name in _PAGE_FIELDS}
    return values | {
        "page_text": [page.text.replace("\0", "") for page in pages],
        "page_problem_code": [page.problem.code if page.problem else None for page in pages],
        "page_problem_message": [page.problem.message if page.problem else None for page in pages],
    }


def _page(row: Row[Any]) -> PageRecord:
    return PageRecord(**{name: row._mapping[name] for name in _PAGE_FIELDS})
