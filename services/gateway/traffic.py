"""How much this gateway has done."""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

HTTP_SECONDS = Histogram(
    "pagemesh_http_seconds", "Time to the end of an answer.", ["method", "route", "status"], buckets=_SECONDS
)
WARM_POLLS = Counter("pagemesh_warm_polls_total", "Polls answered from memory; they are in no other figure.")
LIVE_READERS = Gauge("pagemesh_live_readers", "Open WebSockets.")
LIVE_CLOSED = Counter("pagemesh_live_closed_total", "WebSockets that this gateway closed.", ["code"])
ROUTE = "pagemesh.route"
"""Where the scope of a request holds the path, as declared, that serves it."""


class Traffic:
    """Counts requests since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.requests = 0
        self.connections: Callable[[], int] = lambda: 0
        """Open connections; the server, once there is one, tells."""

    @property
    def uptime_seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started
