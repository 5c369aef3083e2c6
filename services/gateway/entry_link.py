"""What the gateway keeps and reads on the broker, on a connection of its own: it holds up neither counts nor status."""

from mesh.bus import Bus
from mesh.entries import Entries, Entry
from mesh.errors import Unavailable
from services.gateway.settings import GatewaySettings


class EntryLink:
    """A connection that is there as soon as the broker is; before, nothing that needs it is done."""

    def __init__(self) -> None:
        self._bus: Bus | None = None

    async def open(self, settings: GatewaySettings) -> None:
        """Waits for the broker."""
        self._bus = await Bus.connect(settings)

    def bus(self) -> Bus:
        """The connection. Raises Unavailable."""
        if self._bus is None:
            raise Unavailable("The message broker is away.", dependency="nats")
        return self._bus

    async def close(self) -> None:
        """Closes the connection."""
        if self._bus is not None:
            await self._bus.close()


class LinkedEntries:
    """Entries of one stream on the link."""

    def __init__(self, link: EntryLink, stream: str) -> None:
        self._link = link
        self._stream = stream

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

    @property
    def _entries(self) -> Entries:
        return Entries(self._link.bus(), self._stream)
