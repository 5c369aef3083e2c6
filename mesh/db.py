"""The database engine and migrations. Only a service's `store.py` uses SQL; each owning service has one schema."""

import asyncio
from pathlib import Path

import orjson
import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mesh.errors import Unavailable

AWAY = (OperationalError, InterfaceError, PoolExhausted, psycopg.OperationalError, OSError)
_MIGRATION_LOCK = 0x70_61_67_65  # any constant that all replicas share


def connect(url: str, schema: str, pool_size: int = 10) -> AsyncEngine:
    """An engine on psycopg 3 whose sessions see the service's own schema first and think in UTC."""
    options = f"-c search_path={schema},public -c timezone=UTC -c statement_timeout=60000"
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        pool_pre_ping=False,
        # PostgreSQL writes 1e220 out in digits, which would come back as an integer that no JSON writer takes.
        json_deserializer=orjson.loads,
        hide_parameters=True,  # errors are logged; passwords and pages must not be
        connect_args={"options": options, "connect_timeout": 5, "prepare_threshold": 3},
    )


async def check(engine: AsyncEngine) -> None:
    """Raises Unavailable while the database is away."""
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (DBAPIError, OSError) as error:
        raise Unavailable("The database is away.", dependency="postgresql") from error


async def migrate(url: str, schema: str, directory: Path, wait_seconds: float = 60.0) -> None:
    """Brings the schema to the newest revision in `directory`, once, however many replicas start together.

    Waits for a database that is not there yet. Raises OperationalError after `wait_seconds`.
    """
    ends = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            return await asyncio.to_thread(_migrate, url, schema, directory)
        except AWAY:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(0.3)


def _migrate(url: str, schema: str, directory: Path) -> None:
    from alembic import command  # a third of a second that only a starting service pays
    from alembic.config import Config

    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True)
    config = Config()
    config.set_main_option("script_location", str(directory))
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
            connection.execute(text(f"SET LOCAL search_path = {schema}, public"))
            config.attributes["connection"] = connection
            config.attributes["schema"] = schema
            command.upgrade(config, "head")
    finally:
        engine.dispose()
