"""Transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mesh import db
from mesh.errors import Unavailable

SCHEMA = "auth"


class Database:
    """What every part of the record works in."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises Unavailable while the database is away."""
        await db.check(self._engine)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (*db.AWAY, PoolTimeout) as error:
            raise Unavailable("The database is away.", dependency="postgresql") from error
