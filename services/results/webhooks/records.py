"""What the record holds of webhooks: plain values, no SQL, no messages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

TEST_EVENT = "webhook.test"


@dataclass(frozen=True)
class DeliveryRecord:
    """An event on its way to a receiver."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    """Whose document it is about, or who asked for a test."""
    event: str
    """`job.completed`, `job.failed`, `job.cancelled` or `webhook.test`."""
    url: str
    lane: str
    job_id: UUID | None = None
    document_id: UUID | None = None
    job_type: str = ""
    state: str = "pending"
    """`pending`, `delivered` or `failed`."""
    attempts: int = 0
    last_status_code: int = 0
    last_error: str = ""
    next_attempt_at: datetime | None = None
    created_at: datetime | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True)
class SecretVersion:
    """Which secret an organization has."""

    number: int = 1
    rotated_at: datetime | None = None


@dataclass(frozen=True)
class Claimed:
    """A delivery whose next attempt is the holder's alone to make."""

    delivery: DeliveryRecord
    tried: int
    """Attempts since it began, this one included."""
    age: float
    """Seconds since it began: was made, or asked for again."""
    secret: SecretVersion


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt; `error` is empty where the receiver took it."""

    status_code: int = 0
    error: str = ""
    seconds: float = 0.0
    retry_after: float | None = None
    """How long the receiver wants to be left alone."""

    @property
    def final(self) -> bool:
        """Whether no further attempt would help, or is needed."""
        return self.error in ("", "gone")


@dataclass(frozen=True)
class AttemptRecord:
    """An attempt that was made."""

    number: int
    at: datetime
    status_code: int
    error: str
    duration_ms: int
