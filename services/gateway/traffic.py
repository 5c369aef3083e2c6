"""How much this gateway has done."""

import time
from collections.abc import Callable


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
