"""The gateway's ear on the broker."""

from mesh.bus import Bus
from services.gateway.feed import Feed
from services.gateway.settings import GatewaySettings


class StatusLink:
    """Brings what is told of jobs to the feed; the gateway serves before the broker is there, and while it is away."""

    def __init__(self) -> None:
        self._bus: Bus | None = None

    @property
    def connected(self) -> bool:
        """Whether everything that is told now is heard."""
        return self._bus is not None and self._bus.connection.is_connected

    async def open(self, settings: GatewaySettings, feed: Feed) -> None:
        """Waits for the broker and begins to listen."""
        bus = await Bus.connect(settings)
        await bus.listen("status.>", feed.on_message)
        bus.on_restore(feed.forget_unfinished)
        self._bus = bus

    async def close(self) -> None:
        """Listens no longer."""
        if self._bus is not None:
            await self._bus.close()
