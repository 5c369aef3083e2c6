"""What is recorded of an organization, behind the services' backs: read whole, or held so that nobody can change it."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# Gateways tell the victim's calls a moment after they were made; nothing else happens by itself.
_TOLD_LATER = ("results.calls",)

Rows = dict[str, list[str]]


class Record:
    """The database and the object store of a stack."""

    def __init__(self, dsn: str, blobs: Path) -> None:
        self.dsn = dsn
        self._blobs = blobs

    async def of(self, ids: Iterable[str]) -> tuple[Rows, dict[str, str]]:
        """Every row that names one of the ids, or belongs to one that does, as JSON by table; and every original."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            rows, _ = await _closure(connection, set(ids))
        return rows, self._originals(ids)

    @asynccontextmanager
    async def held(self, ids: Iterable[str]) -> AsyncIterator[int]:
        """Locks the same rows within the block and says how many they are: whoever would change one has to wait."""
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            rows, places = await _closure(connection, set(ids))
            for table, ctids in places.items():
                statement = sql.SQL("SELECT FROM {} WHERE ctid = ANY(%s::tid[]) FOR UPDATE").format(_name(table))
                await connection.execute(statement, (ctids,))
            yield sum(map(len, rows.values()))
            await connection.rollback()

    async def note_expired(self, thing_id: str, organization_id: str, user_id: str) -> None:
        """Makes it so that a thing of the user's was there until its time was up."""
        statement = (
            "INSERT INTO results.erasures (id, organization_id, user_id, kind, reason, digest, erased_at, objects)"
            " VALUES (%s, %s, %s, 'document', 'expired', '', now(), 1)"
        )
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute(statement, (thing_id, organization_id, user_id))

    def _originals(self, ids: Iterable[str]) -> dict[str, str]:
        return {
            str(path.relative_to(self._blobs)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self._blobs.rglob("*"))
            if path.is_file() and any(each in str(path) for each in ids)
        }


async def _closure(connection: psycopg.AsyncConnection[Any], ids: set[str]) -> tuple[Rows, Rows]:
    tables = [table for table in await _tables(connection) if table not in _TOLD_LATER]
    everything = {table: await _rows(connection, table) for table in tables}
    while True:
        rows = {
            table: [(place, text) for place, text in content if any(each in text for each in ids)]
            for table, content in everything.items()
        }
        # What refers to a row that was found, a task to its job for one, is found by that row's own id.
        own = {match for content in rows.values() for _, text in content if (match := _own_id(text))}
        if own <= ids:
            break
        ids |= own
    kept = {table: content for table, content in rows.items() if content}
    return (
        {table: sorted(text for _, text in content) for table, content in kept.items()},
        {table: [place for place, _ in content] for table, content in kept.items()},
    )


def _own_id(row: str) -> str:
    match = re.search(r'"id": "([^"]*)"', row)
    return match[1] if match and _UUID.fullmatch(match[1]) else ""


async def _tables(connection: psycopg.AsyncConnection[Any]) -> list[str]:
    cursor = await connection.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema IN ('auth', 'results') AND table_type = 'BASE TABLE' ORDER BY 1"
    )
    return [name for (name,) in await cursor.fetchall()]


async def _rows(connection: psycopg.AsyncConnection[Any], table: str) -> list[tuple[str, str]]:
    statement = sql.SQL("SELECT t.ctid::text, to_jsonb(t)::text FROM {} t").format(_name(table))
    return await (await connection.execute(statement)).fetchall()


def _name(table: str) -> sql.Composable:
    return sql.SQL(".").join(map(sql.Identifier, table.split(".")))
