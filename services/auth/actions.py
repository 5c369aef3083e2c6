"""What operators did, as it is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from services.auth.records import IdentityEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """One change. `details` is what it is now, and under `before.` what it was."""

    id: int
    operator: str
    action: str
    organization_id: UUID | None
    user_id: UUID | None
    details: Mapping[str, str]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of a change: the thing as it is now, the record of it, and what others must learn of."""

    thing: T
    action: OperatorAction
    events: tuple[IdentityEvent, ...] = ()
