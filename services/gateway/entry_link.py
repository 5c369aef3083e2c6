"""The gateway's entries on the broker, on a connection of their own: answers hold up neither counts nor status."""

from mesh.bus import Bus
from mesh.entries import Entries, Entry
from mesh.errors import Unavailable
from mesh.streams import IDEMPOTENCY
from services.gateway.settings import GatewaySettings


class EntryLink:
    """Entries that are there as soon as the broker is; before, no request with an idempotency key is carried out."""

    def __init__(self) -> None:
        self._bus: Bus | None = None

    async def open(self, settings: GatewaySettings) -> None:
        """Waits for the broker."""
        self._bus = await Bus.connect(settings)

    async def put(self, subject: str, payload: bytes, replaces: int, seconds: int) -> int | None:
        """See mesh.entries.Entries."""
        return await self._entries.put(subject, payload, replaces, seconds)

    async def get(self, subject: str) -> Entry | None:
        """See mesh.entries.Entries."""
        return await self._entries.get(subject)

    async def age(self, entry: Entry) -> float:
        """See mesh.entries.Entries."""
        return await self._entries.age(entry)

    async def drop(self, revision: int) -> None:
        """See mesh.entries.Entries."""
        await self._entries.drop(revision)

    async def close(self) -> None:
        """Closes the connection."""
        if self._bus is not None:
            await self._bus.close()

    @property
    def _entries(self) -> Entries:
        if self._bus is None:
            raise Unavailable("The message broker is away.", dependency="nats")
        return Entries(self._bus, IDEMPOTENCY)
