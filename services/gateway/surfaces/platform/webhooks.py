"""Webhooks: the organization's deliveries, and the secret that signs them."""

from typing import Annotated, cast

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import StringConstraints
from starlette.responses import Response

from mesh import client
from mesh.addresses import LONGEST_URL
from pagemesh.results.v1 import webhooks_pb2 as pb
from services.gateway.answers import accepted, json_response
from services.gateway.callbacks import CallbackPolicy
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, get, post
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, render
from services.gateway.surfaces.platform import webhook_shapes as shapes
from services.gateway.validation import Body, NoBody, NoQuery, Text

_WEBHOOKS = f"{PREFIX}/webhooks"
_DELIVERIES = f"{_WEBHOOKS}/deliveries"
_ONE = f"{_DELIVERIES}/{{delivery_id}}"
_SECRET = {"cache-control": "no-store"}
_READ, _WRITE = "jobs.read", "documents.write"
_RETRY_SECONDS = 1

_STATES: dict[shapes.DeliveryStatus, "pb.WebhookDeliveryState.ValueType"] = {
    "pending": pb.WEBHOOK_DELIVERY_STATE_PENDING,
    "delivered": pb.WEBHOOK_DELIVERY_STATE_DELIVERED,
    "failed": pb.WEBHOOK_DELIVERY_STATE_FAILED,
}
_STATUSES = {state: status for status, state in _STATES.items()}


class WebhookTestBody(Body):
    """Where to send a test event."""

    url: Annotated[Text, StringConstraints(min_length=1, max_length=LONGEST_URL)]


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    status: shapes.DeliveryStatus | None = None
    job_id: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")] | None
    ) = None


class Webhooks:
    """Webhooks of the caller's organization."""

    def __init__(self, neighbours: Neighbours, callbacks: CallbackPolicy) -> None:
        self._stub = neighbours.webhooks
        self._callbacks = callbacks

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        delivers = {202: Answer("The delivery.", shapes.WebhookDelivery, headers=("Location", "Retry-After"))}
        return [
            get(
                f"{_WEBHOOKS}/secret",
                self.secret,
                "The secret that signs deliveries, for admins",
                {200: Answer("The secret.", shapes.WebhookSecret)},
            ),
            post(
                f"{_WEBHOOKS}/secret/rotate",
                self.rotate,
                "Sign with another secret; for a day with the previous one as well",
                {200: Answer("The new secret.", shapes.WebhookSecret)},
                NoBody,
                keyed=Keyed(secret=True),
            ),
            post(
                f"{_WEBHOOKS}/test",
                self.test,
                "Deliver a test event",
                delivers,
                WebhookTestBody,
                keyed=Keyed(),
                scope=_WRITE,
            ),
            get(
                _DELIVERIES,
                self.list,
                "Find deliveries",
                {200: Answer("Deliveries, newest first.", shapes.WebhookDeliveryList, headers=("Link",))},
                DeliveriesQuery,
                scope=_READ,
            ),
            get(
                _ONE,
                self.read,
                "One delivery with its attempts",
                {200: Answer("The delivery.", shapes.WebhookDeliveryDetail)},
                scope=_READ,
            ),
            post(
                f"{_ONE}/redeliver",
                self.redeliver,
                "Deliver again, whatever came of it before",
                delivers,
                NoBody,
                keyed=Keyed(),
                scope=_WRITE,
            ),
        ]

    async def secret(self, call: Call[NoBody, NoQuery]) -> Response:
        """The secret."""
        call.identity.require_role("admin")
        found = await client.call(self._stub.GetWebhookSecret, pb.GetWebhookSecretRequest())
        return json_response(_secret(found.secret), headers=_SECRET)

    async def rotate(self, call: Call[NoBody, NoQuery]) -> Response:
        """Another secret."""
        call.identity.require_role("admin")
        request = pb.RotateWebhookSecretRequest(request_id=call.origin.id("rotation"))
        made = await client.call(self._stub.RotateWebhookSecret, request)
        return json_response(_secret(made.secret), headers=_SECRET)

    async def test(self, call: Call[WebhookTestBody, NoQuery]) -> Response:
        """Delivers a test event."""
        self._callbacks.require(call.body.url, "url")
        request = pb.TestWebhookRequest(delivery_id=call.origin.id("delivery"), url=call.body.url)
        return _accepted((await client.call(self._stub.TestWebhook, request)).delivery)

    async def list(self, call: Call[NoBody, DeliveriesQuery]) -> Response:
        """A list of deliveries."""
        query = call.query
        request = pb.ListWebhookDeliveriesRequest(
            page=query.page,
            per_page=query.per_page,
            state=_STATES[query.status] if query.status else pb.WEBHOOK_DELIVERY_STATE_UNSPECIFIED,
            job_id=(query.job_id or "").lower(),
        )
        found = await client.call(self._stub.ListWebhookDeliveries, request)
        return list_response(call.request.url, query, [_delivery(one) for one in found.deliveries], found.total)

    async def read(self, call: Call[NoBody, NoQuery]) -> Response:
        """One delivery."""
        request = pb.GetWebhookDeliveryRequest(delivery_id=call.ids["delivery_id"])
        found = await client.call(self._stub.GetWebhookDelivery, request)
        detail: shapes.WebhookDeliveryDetail = {
            **_delivery(found.delivery),
            "attempt_log": [_attempt(attempt) for attempt in found.attempts],
        }
        return json_response(detail)

    async def redeliver(self, call: Call[NoBody, NoQuery]) -> Response:
        """Delivers again."""
        request = pb.RedeliverWebhookRequest(delivery_id=call.ids["delivery_id"])
        return _accepted((await client.call(self._stub.RedeliverWebhook, request)).delivery)


def _accepted(delivery: pb.WebhookDelivery) -> Response:
    return accepted(_delivery(delivery), 202, f"{_DELIVERIES}/{delivery.id}", _RETRY_SECONDS)


def _secret(secret: pb.WebhookSecret) -> shapes.WebhookSecret:
    return {
        "secret": secret.secret,
        "version": secret.version,
        "rotated_at": _time(secret.rotated_at, secret.HasField("rotated_at")),
        "previous_valid_until": _time(secret.previous_until, secret.HasField("previous_until")),
    }


def _delivery(delivery: pb.WebhookDelivery) -> shapes.WebhookDelivery:
    return {
        "id": delivery.id,
        "event": cast("shapes.Event", delivery.event),
        "job_id": delivery.job_id or None,
        "url": delivery.url,
        "status": _STATUSES[delivery.state],
        "attempts": delivery.attempts,
        "last_status_code": delivery.last_status_code or None,
        "last_error": delivery.last_error or None,
        "next_attempt_at": _time(delivery.next_attempt_at, delivery.HasField("next_attempt_at")),
        "created_at": render.time(delivery.created_at),
        "delivered_at": _time(delivery.delivered_at, delivery.HasField("delivered_at")),
    }


def _attempt(attempt: pb.WebhookAttempt) -> shapes.WebhookAttempt:
    return {
        "number": attempt.number,
        "at": render.time(attempt.at),
        "status_code": attempt.status_code or None,
        "error": attempt.error or None,
        "duration_ms": attempt.duration_ms,
    }


def _time(stamp: Timestamp, known: bool) -> str | None:
    return render.time(stamp) if known else None
