"""The gateway's ear on the broker."""

from mesh.bus import Bus
from mesh.revocations import RevocationFeed, Revocations
from mesh.streams import identity_subject
from services.gateway.feed import Feed
from services.gateway.organizations import Organizations
from services.gateway.settings import GatewaySettings


class StatusLink:
    """Brings what is told of jobs to the feed, of dead tokens to the revocations, of organizations to their memory.

    The gateway serves while the broker is away, and before it is there, then without credentials.
    """

    def __init__(self) -> None:
        self._bus: Bus | None = None

    @property
    def connected(self) -> bool:
        """Whether everything that is told now is heard."""
        return self._bus is not None and self._bus.connection.is_connected

    async def open(
        self, settings: GatewaySettings, feed: Feed, revocations: Revocations, organizations: Organizations
    ) -> None:
        """Waits for the broker and begins to listen."""
        bus = await Bus.connect(settings)
        # First of all: once revocations are known, organizations are asked for.
        await bus.listen(identity_subject("organization_changed"), organizations.on_message)
        bus.on_restore(organizations.forget_all)
        await RevocationFeed(revocations).follow(bus)
        await bus.hear("status.>", feed.on_message)
        bus.on_restore(feed.forget_unfinished)
        self._bus = bus

    async def close(self) -> None:
        """Listens no longer."""
        if self._bus is not None:
            await self._bus.close()
