"""Events as receivers get them: ids and URLs, nothing of any content; signed as Standard Webhooks has it.

Source: the Standard Webhooks specification, "Payload structure" and "Webhook headers".
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from standardwebhooks import Webhook

from services.results.webhooks.records import DeliveryRecord

_API = "/api/v1"
_RESULTS = {"text_extraction": "pages", "analysis": "analysis"}


def body(delivery: DeliveryRecord, public_url: str = "") -> bytes:
    """The payload; the same for every attempt. URLs are paths while the gateway's own is not known."""
    assert delivery.created_at is not None
    data = _of_job(delivery, public_url.rstrip("/") + _API) if delivery.job_id else {"delivery_id": str(delivery.id)}
    return orjson.dumps({"type": delivery.event, "timestamp": _time(delivery.created_at), "data": data})


def _of_job(delivery: DeliveryRecord, api: str) -> dict[str, str | None]:
    status = delivery.event.removeprefix("job.")
    document_id = str(delivery.document_id) if delivery.document_id else None
    result = _RESULTS.get(delivery.job_type) if status == "completed" and document_id else None
    return {
        "job_id": str(delivery.job_id),
        "document_id": document_id,
        "job_type": delivery.job_type,
        "status": status,
        "status_url": f"{api}/jobs/{delivery.job_id}",
        "result_url": f"{api}/documents/{document_id}/{result}" if result else None,
    }


def headers(delivery_id: str, payload: bytes, secrets: Sequence[str], now: datetime | None = None) -> dict[str, str]:
    """Id, time of the attempt, and a signature by each secret."""
    now = now or datetime.now(UTC)
    signatures = (Webhook(secret).sign(delivery_id, now, payload.decode()) for secret in secrets)
    return {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
