"""Migrations and connections on a real PostgreSQL."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from mesh import db
from mesh.errors import Unavailable
from tests.support.servers import PostgresServer

ENV = "from mesh.migrations_env import run\n\nrun()\n"
VERSION = """
from alembic import op

revision = "{number}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade():
    op.execute("{statement}")
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """Two migrations that cannot be done twice."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(ENV)
    one = VERSION.format(number="0001", before=None, statement="CREATE TABLE things (id integer)")
    (versions / "0001_things.py").write_text(one)
    two = VERSION.format(number="0002", before="'0001'", statement="INSERT INTO things VALUES (7)")
    (versions / "0002_seven.py").write_text(two)
    return versions.parent


async def things(url: str, schema: str) -> list[int]:
    """What is in the table as a service's connections see it."""
    engine = db.connect(url, schema)
    try:
        async with engine.connect() as connection:
            return list((await connection.execute(text("SELECT id FROM things"))).scalars())
    finally:
        await engine.dispose()


async def test_replicas_that_start_together_migrate_once(fresh_database: Callable[[], str], migrations: Path) -> None:
    """And a later start finds nothing to do."""
    url = fresh_database()
    await asyncio.gather(*(db.migrate(url, "one", migrations) for _ in range(4)))
    await db.migrate(url, "one", migrations)
    assert [7] == await things(url, "one")


async def test_services_share_a_database_each_in_its_schema(
    fresh_database: Callable[[], str], migrations: Path
) -> None:
    """Each has its own tables and its own version."""
    url = fresh_database()
    await asyncio.gather(db.migrate(url, "one", migrations), db.migrate(url, "other", migrations))
    assert [[7], [7]] == [await things(url, "one"), await things(url, "other")]


async def test_a_migration_that_fails_leaves_nothing(fresh_database: Callable[[], str], migrations: Path) -> None:
    """The next start begins where the last good one ended."""
    url = fresh_database()
    last = migrations / "versions" / "0002_seven.py"
    good = last.read_text()
    last.write_text(good.replace("VALUES (7)", "VALUES (7, 8, 9)"))
    with pytest.raises(Exception, match="more expressions than target columns"):
        await db.migrate(url, "one", migrations)
    last.write_text(good)
    await db.migrate(url, "one", migrations)
    assert [7] == await things(url, "one")


async def test_a_database_that_never_comes_is_an_error(tmp_path: Path, migrations: Path) -> None:
    """After the time that is waited."""
    with pytest.raises(OperationalError):
        await db.migrate(f"postgresql+psycopg://nobody@/x?host={tmp_path}", "one", migrations, wait_seconds=0.1)


async def test_the_check_tells_whether_the_database_is_there(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """What is told names the dependency and no address."""
    there, away = (
        db.connect(url, "public") for url in (postgres_server.url, f"postgresql+psycopg://nobody@/x?host={tmp_path}")
    )
    await db.check(there)
    with pytest.raises(Unavailable) as caught:
        await db.check(away)
    assert ({"dependency": "postgresql"}, False) == (caught.value.details, str(tmp_path) in caught.value.message)
    for engine in (there, away):
        await engine.dispose()


async def test_connections_think_in_utc(postgres_server: PostgresServer) -> None:
    """Whatever the server's own zone."""
    engine = db.connect(postgres_server.url, "public")
    async with engine.connect() as connection:
        assert "UTC" == (await connection.execute(text("SHOW timezone"))).scalar_one()
    await engine.dispose()
