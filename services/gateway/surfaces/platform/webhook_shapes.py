"""What answers about webhooks hold; as in shapes.py."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes import Time, Uuid

DeliveryStatus = Literal["pending", "delivered", "failed"]
Event = Literal["job.completed", "job.failed", "job.cancelled", "webhook.test"]


class WebhookSecret(TypedDict):
    """What deliveries are signed with; until `previous_valid_until` the secret before signs as well."""

    secret: Annotated[str, Field(description="`whsec_` and the key in base64, as Standard Webhooks has it.")]
    version: int
    rotated_at: Time | None
    previous_valid_until: Time | None


class WebhookDelivery(TypedDict):
    """An event on its way; `id` is `webhook-id` at the receiver, the same for every attempt."""

    id: Uuid
    event: Event
    job_id: Annotated[Uuid | None, Field(description="null for a test.")]
    url: str
    status: DeliveryStatus
    attempts: int
    last_status_code: Annotated[int | None, Field(description="null when the last attempt got no answer.")]
    last_error: Annotated[str | None, Field(description="null when the last attempt was a success.")]
    next_attempt_at: Time | None
    created_at: Time
    delivered_at: Time | None


class WebhookAttempt(TypedDict):
    """One attempt at a delivery."""

    number: int
    at: Time
    status_code: int | None
    error: str | None
    duration_ms: int


class WebhookDeliveryDetail(WebhookDelivery):
    """A delivery with its latest hundred attempts, oldest first."""

    attempt_log: list[WebhookAttempt]


class WebhookDeliveryList(TypedDict):
    """Deliveries, newest first."""

    items: list[WebhookDelivery]
    total: int
    page: int
    per_page: int
    pages: int
