"""Real servers for every test: PostgreSQL, NATS, a whole stack; see tests/support/servers.py."""

from tests.support.servers import corpus, fresh_database, nats_server, postgres_server, server_directory, stack

__all__ = ["corpus", "fresh_database", "nats_server", "postgres_server", "server_directory", "stack"]
