"""Proto ⇄ domain; the caller's organization is always the token's."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc

from mesh import identity
from mesh.errors import InvalidArgument, NotFound
from mesh.ids import owned, to_uuid
from pagemesh.results.v1 import webhooks_pb2 as pb
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceServicer
from services.results.convert import timestamp
from services.results.originals import account
from services.results.sharing import Sharing
from services.results.store import Store
from services.results.webhooks.callbacks import Callbacks
from services.results.webhooks.outbox import DeliveryOutbox
from services.results.webhooks.records import TEST_EVENT, AttemptRecord, DeliveryRecord
from services.results.webhooks.secrets import Secrets, previous_until

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_ATTEMPTS = 100
_STATE = "WEBHOOK_DELIVERY_STATE_"


class WebhookServicer(WebhookServiceServicer):
    """Deliveries and secrets."""

    def __init__(
        self, store: Store, outbox: DeliveryOutbox, secrets: Secrets, callbacks: Callbacks, sharing: Sharing
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._secrets = secrets
        self._callbacks = callbacks
        self._sharing = sharing

    async def GetWebhookSecret(
        self, request: pb.GetWebhookSecretRequest, context: "Context"
    ) -> pb.GetWebhookSecretResponse:
        """See the proto."""
        return pb.GetWebhookSecretResponse(secret=await self._secret(_admins_organization()))

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: "Context"
    ) -> pb.RotateWebhookSecretResponse:
        """See the proto."""
        organization_id = _admins_organization()
        request_id = None
        if request.request_id:
            request_id = owned(str(organization_id), request.request_id, "request_id")
        self._secrets.of(organization_id, 1)  # where there are none, nothing is rotated
        async with self._store.reading() as tables:
            await tables.webhook_log.rotate(organization_id, request_id)
        return pb.RotateWebhookSecretResponse(secret=await self._secret(organization_id))

    async def _secret(self, organization_id: UUID) -> pb.WebhookSecret:
        async with self._store.reading() as tables:
            version = await tables.webhook_log.secret(organization_id)
        return pb.WebhookSecret(
            secret=self._secrets.of(organization_id, version.number),
            version=version.number,
            rotated_at=timestamp(version.rotated_at),
            previous_until=timestamp(previous_until(version)),
        )

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: "Context"
    ) -> pb.ListWebhookDeliveriesResponse:
        """See the proto."""
        page, per_page = request.page or 1, request.per_page or 20
        if page < 1 or not 1 <= per_page <= 100:
            raise InvalidArgument("page is at least 1, per_page from 1 to 100.", field="page")
        if request.state and request.state not in pb.WebhookDeliveryState.values():
            raise InvalidArgument("state has no such value.", field="state")
        state = pb.WebhookDeliveryState.Name(request.state).removeprefix(_STATE).lower() if request.state else ""
        job_id = to_uuid(request.job_id, "job_id") if request.job_id else None
        owner = await self._sharing.owner()
        async with self._store.reading() as tables:
            deliveries, total = await tables.webhook_log.list(
                _organization(), owner, state, job_id, per_page, (page - 1) * per_page
            )
        return pb.ListWebhookDeliveriesResponse(deliveries=map(_message, deliveries), total=total)

    async def GetWebhookDelivery(
        self, request: pb.GetWebhookDeliveryRequest, context: "Context"
    ) -> pb.GetWebhookDeliveryResponse:
        """See the proto."""
        delivery_id = to_uuid(request.delivery_id, "delivery_id")
        owner = await self._sharing.owner()
        async with self._store.reading() as tables:
            found = _there(await tables.webhook_log.get(_organization(), delivery_id, owner))
            attempts = await tables.webhook_log.attempts(delivery_id, _ATTEMPTS)
        return pb.GetWebhookDeliveryResponse(delivery=_message(found), attempts=map(_attempt, attempts))

    async def RedeliverWebhook(
        self, request: pb.RedeliverWebhookRequest, context: "Context"
    ) -> pb.RedeliverWebhookResponse:
        """See the proto."""
        delivery_id = to_uuid(request.delivery_id, "delivery_id")
        owner = await self._sharing.owner()
        async with self._store.reading() as tables:
            begun = _there(await tables.webhook_log.again(_organization(), delivery_id, owner))
        self._outbox.hand_out([begun])
        return pb.RedeliverWebhookResponse(delivery=_message(begun))

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: "Context") -> pb.TestWebhookResponse:
        """See the proto."""
        caller = identity.current()
        delivery_id = owned(caller.organization_id, request.delivery_id, "delivery_id")
        if not request.url:
            raise InvalidArgument("A URL is needed.", field="url")
        self._callbacks.check(request.url, "url")
        user_id, organization_id = account(caller), UUID(caller.organization_id)
        record = DeliveryRecord(delivery_id, organization_id, user_id, TEST_EVENT, request.url, "normal")
        async with self._store.reading() as tables:
            made = await tables.webhooks.insert(record)
            found = made or _there(await tables.webhook_log.get(organization_id, delivery_id, None))
        self._outbox.hand_out([made] if made else [])
        return pb.TestWebhookResponse(delivery=_message(found))


def _organization() -> UUID:
    return UUID(identity.current().organization_id)


def _admins_organization() -> UUID:
    identity.current().require_role("admin")
    return _organization()


def _there(found: DeliveryRecord | None) -> DeliveryRecord:
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def _message(record: DeliveryRecord) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        id=str(record.id),
        event=record.event,
        job_id=str(record.job_id or ""),
        url=record.url,
        state=pb.WebhookDeliveryState.Value(_STATE + record.state.upper()),
        attempts=record.attempts,
        last_status_code=record.last_status_code,
        last_error=record.last_error,
        next_attempt_at=timestamp(record.next_attempt_at),
        created_at=timestamp(record.created_at),
        delivered_at=timestamp(record.delivered_at),
    )


def _attempt(record: AttemptRecord) -> pb.WebhookAttempt:
    return pb.WebhookAttempt(
        number=record.number,
        at=timestamp(record.at),
        status_code=record.status_code,
        error=record.error,
        duration_ms=record.duration_ms,
    )
