"""Webhooks put together: the parts that take work, make attempts and tell callers of them."""

import asyncio

from mesh.addresses import Allowed
from mesh.bus import Bus
from mesh.worker import Worker
from services.results.ephemeral.deliveries import EphemeralDeliveries
from services.results.ephemeral.memory import Memory
from services.results.settings import ResultsSettings
from services.results.sharing import Sharing
from services.results.store import Store
from services.results.webhooks.callbacks import Callbacks
from services.results.webhooks.deliveries import Deliveries, Terms
from services.results.webhooks.outbox import DeliveryOutbox
from services.results.webhooks.schedule import Schedule
from services.results.webhooks.secrets import Secrets
from services.results.webhooks.sender import Sender
from services.results.webhooks.servicer import WebhookServicer


class WebhookService:
    """Everything about webhooks; without a secret there are none."""

    def __init__(self, bus: Bus, store: Store, memory: Memory, sharing: Sharing, settings: ResultsSettings) -> None:
        allowed = Allowed.parse(settings.allowed_private_networks)
        self._drain_seconds = settings.drain_seconds
        self._secrets = Secrets(settings.webhook_secret.get_secret_value())
        self._outbox = DeliveryOutbox(bus, store)
        self._sender = Sender(allowed, settings.webhook_attempt_seconds)
        terms = _terms(settings)
        in_memory = EphemeralDeliveries(bus, store, memory, self._secrets, self._sender, terms)
        self._worker = Worker(bus, Deliveries(store, in_memory, self._secrets, self._sender, terms).spec())
        self.callbacks = Callbacks(allowed, self._secrets)
        self.servicer = WebhookServicer(store, self._outbox, self._secrets, self.callbacks, sharing)
        store.hand_out_by(self._outbox.hand_out)

    async def run(self) -> None:
        """Delivers for ever."""
        if not self._secrets.available:
            await asyncio.Event().wait()
        await self._worker.start()
        await self._outbox.run()

    async def check(self) -> None:
        """Raises Unavailable when attempts are no longer made."""
        await self._worker.check()

    async def stop(self) -> None:
        """Takes no more attempts; those in hand get time to end."""
        await self._worker.stop(self._drain_seconds)

    async def finish(self) -> None:
        """Ends what was begun."""
        await self._outbox.finish()
        await self._sender.close()


def _terms(settings: ResultsSettings) -> Terms:
    pauses = tuple(float(pause) for pause in settings.webhook_pauses.split())
    return Terms(
        Schedule(pauses, settings.webhook_give_up_seconds),
        settings.webhook_attempt_seconds,
        settings.webhook_slots,
        settings.public_url,
    )
