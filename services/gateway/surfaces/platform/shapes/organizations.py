"""Organizations, their members, and what they used."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.accounts import User
from services.gateway.surfaces.platform.shapes.common import Time, Uuid


class OrganizationSettings(TypedDict):
    """What an organization can choose."""

    allow_sharing: bool
    max_file_size_mb: int
    retention_days: int
    zero_log: bool


class Organization(TypedDict):
    """A tenant."""

    id: Uuid
    name: str
    tier: Literal["free", "pro", "enterprise"]
    settings: OrganizationSettings
    member_count: int
    document_count: int
    is_active: bool
    created_at: Time
    updated_at: Time


class MemberList(TypedDict):
    """Accounts of an organization, oldest first."""

    items: list[User]
    total: int
    page: int
    per_page: int
    pages: int


class Invitation(TypedDict):
    """Who may join; `token` is shown once."""

    id: Uuid
    email: str
    role: Literal["user", "admin"]
    token: str
    created_at: Time
    expires_at: Time


class Period(TypedDict):
    """Whole days, UTC, both included."""

    start: Annotated[str, Field(json_schema_extra={"format": "date"})]
    end: Annotated[str, Field(json_schema_extra={"format": "date"})]


class UsageFigures(TypedDict):
    """What was used; `storage_bytes` is what was stored at the period's end."""

    documents_processed: int
    pages_processed: int
    api_calls: int
    tokens_used: int
    storage_bytes: int


class PlanLimits(TypedDict):
    """What the plan allows in a month; `storage_bytes` at any time."""

    documents_per_month: int
    pages_per_month: int
    api_calls_per_month: int
    storage_bytes: int


class PercentageUsed(TypedDict):
    """What was used of what the plan allows in a month, in percent."""

    documents: float
    pages: float
    api_calls: float
    storage: float


class Usage(TypedDict):
    """What an organization has used."""

    period: Period
    usage: UsageFigures
    limits: PlanLimits
    percentage_used: PercentageUsed
