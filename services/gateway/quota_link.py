"""The gateway's counters on the broker, on a connection of their own: a flood of status must not hold a count up."""

from collections.abc import Sequence

from mesh.bus import Bus
from mesh.counters import Counters, Increment
from mesh.errors import Unavailable
from services.gateway.settings import GatewaySettings

_PUBLISH_SECONDS = 3.0


class QuotaLink:
    """Counters that are there as soon as the broker is; before, nothing is counted and so nothing accepted."""

    def __init__(self) -> None:
        self._bus: Bus | None = None
        self._counters: Counters | None = None

    async def open(self, settings: GatewaySettings) -> None:
        """Waits for the broker."""
        self._bus = await Bus.connect(settings)
        counters = Counters(self._bus)
        await counters.start()
        self._counters = counters

    async def add(self, increments: Sequence[Increment]) -> list[int]:
        """See mesh.counters.Counters."""
        if self._counters is None:
            raise Unavailable("The message broker is away.", dependency="nats")
        return await self._counters.add(increments)

    async def tell(self, subject: str, amount: int) -> None:
        """See mesh.counters.Counters."""
        if self._counters is not None:
            await self._counters.tell(subject, amount)

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        """Publishes durably. Raises Unavailable."""
        if self._bus is None:
            raise Unavailable("The message broker is away.", dependency="nats")
        await self._bus.publish(subject, payload, message_id, within=_PUBLISH_SECONDS, headers={})

    async def close(self) -> None:
        """Closes the connection."""
        if self._bus is not None:
            await self._bus.close()
