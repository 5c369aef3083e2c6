"""Real servers for every test: PostgreSQL, NATS, a whole stack; see tests/support/servers.py."""

import os

# Tests fork while channels are open in their process; gRPC's handlers would write to the child's standard error.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from tests.support.s3 import s3_server
from tests.support.servers import corpus, fresh_database, nats_server, postgres_server, server_directory, stack

__all__ = ["corpus", "fresh_database", "nats_server", "postgres_server", "s3_server", "server_directory", "stack"]
