"""Stands in for a service where only its process matters: `python -m tests.support.dummy NAME`.

The gateway answers `GET /health`, healthy once NATS accepts connections; the others wait.
"""

import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit


def command(name: str) -> list[str]:
    """What runs the dummy of that name."""
    return [sys.executable, "-m", "tests.support.dummy", name]


def _nats_is_up() -> bool:
    address = urlsplit(os.environ["PAGEMESH_NATS_URL"])
    with socket.socket() as probe:
        return probe.connect_ex((str(address.hostname), int(address.port or 0))) == 0


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        states = {"messaging": _nats_is_up()}
        body = json.dumps({"status": "healthy" if all(states.values()) else "unhealthy", "services": states}).encode()
        self.send_response(200 if all(states.values()) else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        return


def main() -> None:
    """Runs until SIGTERM."""
    print(json.dumps({"level": "warning", "service": sys.argv[1], "message": "hello"}), file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1] == "gateway":
        HTTPServer(("127.0.0.1", int(os.environ["PAGEMESH_HTTP_PORT"])), _Health).serve_forever()
    signal.pause()


if __name__ == "__main__":
    main()
