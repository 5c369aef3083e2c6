"""Documents by the words on their pages; the index is over `page_vector` (migration 0004)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import DocumentRecord
from services.results.store.documents import COLUMNS, SORTS, VISIBLE, document

_VECTOR = "page_vector(p.language, p.text)"
# A page answers to the query in its own language alone: what `-without` excludes in one is not let in by another.
_HAS_WORDS = f"""(
    (p.language = 'eng' AND {_VECTOR} @@ page_query('eng', :search))
    OR (p.language = 'hin' AND {_VECTOR} @@ page_query('hin', :search))
    OR (p.language NOT IN ('eng', 'hin') AND {_VECTOR} @@ page_query('', :search)))
"""
_FOUND = f"""
    SELECT p.document_id, p.number, row_number() OVER (ORDER BY d.created_at DESC, d.id DESC, p.number) AS nth
    FROM pages p JOIN documents d ON d.id = p.document_id
    WHERE d.id IN (SELECT id FROM documents WHERE {VISIBLE}) AND p.problem_code IS NULL AND {_HAS_WORDS}
"""
_COUNT = text(f"SELECT count(DISTINCT document_id) FROM ({_FOUND}) found")
_BY_SORT = f"""
    SELECT {COLUMNS} FROM documents WHERE id IN (SELECT document_id FROM ({_FOUND}) found)
"""
# Ranking makes the vector anew, a third of a millisecond a page: beyond so many pages age decides.
_BY_RELEVANCE = f"""
    WITH found AS MATERIALIZED ({_FOUND}), ranked AS (
        SELECT f.document_id,
               max(CASE WHEN f.nth <= 1000 THEN ts_rank({_VECTOR}, page_query(p.language, :search)) ELSE 0 END) AS rank
        FROM found f JOIN pages p USING (document_id, number) GROUP BY f.document_id
    )
    SELECT {COLUMNS} FROM documents JOIN ranked ON id = document_id
"""
_PAGES = text(f"""
    SELECT document_id, number AS page, page_snippet(language, text, :search) AS snippet
    FROM (
        SELECT p.document_id, p.number, p.language, p.text,
               row_number() OVER (PARTITION BY p.document_id ORDER BY p.number) AS nth
        FROM pages p WHERE p.document_id = ANY(:ids) AND p.problem_code IS NULL AND {_HAS_WORDS}
    ) found
    WHERE nth <= 3 ORDER BY document_id, number
""")
# PostgreSQL's parser puts each sign on a stack of 32: "tsquery stack too small".
_SIGNS = re.compile(r"-[^\w\"]*-")


def harmless(words: str) -> str:
    """The words, with one sign where there are many in a row, so that PostgreSQL can parse whatever was typed."""
    return _SIGNS.sub("-", words)


@dataclass(frozen=True)
class PageMatch:
    """A page that has the words, and some text around them."""

    document_id: UUID
    page: int
    snippet: str


class Search:
    """What pages say."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def documents(
        self, match: dict[str, Any], sort: str, ascending: bool, limit: int, offset: int
    ) -> tuple[list[DocumentRecord], int]:
        """A list's worth of the documents that have the words of `search`, and how many have them in all.

        `match` has the parameters of `VISIBLE` and `search`; without a `sort` the most relevant come first.
        """
        direction = "ASC" if ascending else "DESC"
        found, order = (_BY_SORT, SORTS[sort]) if sort else (_BY_RELEVANCE, "rank")
        statement = text(
            f"{found} ORDER BY {order} {direction}, created_at {direction}, id {direction} LIMIT :limit OFFSET :offset"
        )
        rows = await self._connection.execute(statement, {**match, "limit": limit, "offset": offset})
        total = (await self._connection.execute(_COUNT, match)).scalar_one()
        return [document(row) for row in rows], total

    async def pages(self, ids: Sequence[UUID], search: str) -> list[PageMatch]:
        """The first three pages of each of the documents that have the words."""
        rows = await self._connection.execute(_PAGES, {"ids": list(ids), "search": search})
        return [PageMatch(**row._mapping) for row in rows]
