"""What every Pagemesh service shares: settings, errors, server, client, bus, database, blobs, sandbox, telemetry.

Nothing of the domain is in here, and nothing in here imports a service.
"""

import os

# gRPC reads this when it is first imported. Children are started by exec and use no channel of their parent's, so
# its fork handlers would only cost time and complain.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
