"""The servers that tests and `pagemesh up` use are the real ones, and behave."""

from collections.abc import Callable

import nats
import psycopg

from tests.support.servers import NatsServer, PostgresServer


def test_databases_are_empty_and_separate(fresh_database: Callable[[], str]) -> None:
    """What is written to one database must not be in the next."""
    first, second = (url.replace("+psycopg", "") for url in (fresh_database(), fresh_database()))
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE pages (number int)")
    with psycopg.connect(second) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)


def test_database_is_durable_and_not_on_tcp(postgres_server: PostgresServer) -> None:
    """Commits must reach the disk, and nobody may connect from elsewhere."""
    with psycopg.connect(postgres_server.url.replace("+psycopg", "")) as connection:
        settings = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'listen_addresses', 'synchronous_commit')"
        ).fetchall()
    assert dict(settings) == {"fsync": "on", "listen_addresses": "", "synchronous_commit": "on"}


async def test_broker_keeps_messages_over_a_kill(nats_server: NatsServer) -> None:
    """An acknowledged message must survive `kill -9` of the broker, and no wipe."""
    await _publish(nats_server.url)
    nats_server.kill()
    nats_server.start()
    kept = await _stream_names(nats_server.url)
    nats_server.wipe()
    assert (kept, await _stream_names(nats_server.url)) == (["KEPT:1"], [])


async def _publish(url: str) -> None:
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="KEPT", subjects=["kept"])
    await jetstream.publish("kept", b"page")
    await client.close()


async def _stream_names(url: str) -> list[str]:
    client = await nats.connect(url)
    streams = await client.jetstream().streams_info()
    await client.close()
    # Other tests of the session may have left streams of their own.
    return [f"{stream.config.name}:{stream.state.messages}" for stream in streams if stream.config.name == "KEPT"]
