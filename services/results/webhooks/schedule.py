"""When a delivery is tried again: after growing pauses, a little more each by chance, until a day is over."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from services.results.webhooks.records import Outcome

_JITTER = 0.2


@dataclass(frozen=True)
class Schedule:
    """Pauses between attempts, in seconds; the last one is kept to until `give_up_seconds` are over."""

    pauses: tuple[float, ...]
    give_up_seconds: float
    chance: Callable[[], float] = random.random

    def pause(self, tried: int, age: float, outcome: Outcome) -> float | None:
        """How long to wait after so many attempts, the delivery being so many seconds old; None: no longer.

        A receiver that says when is heard. The last attempt falls on the end.
        """
        left = self.give_up_seconds - age
        if outcome.final or left <= 0:
            return None
        pause = self.pauses[min(tried, len(self.pauses)) - 1] * (1 + _JITTER * self.chance())
        return min(max(pause, outcome.retry_after or 0.0), left)
