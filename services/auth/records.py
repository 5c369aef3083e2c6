"""What the service keeps: organizations, their users and the sessions of those."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """What an organization can choose, with what it has before it chooses."""

    allow_sharing: bool = True
    max_file_size_mb: int = 50
    retention_days: int = 90
    zero_log: bool = False


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant."""

    id: UUID
    name: str
    tier: str
    settings: OrganizationSettings
    is_active: bool
    created_at: datetime
    updated_at: datetime
    member_count: int


@dataclass(frozen=True, slots=True)
class User:
    """A person's account. `last_login` is None before the first login."""

    id: UUID
    email: str
    full_name: str
    organization: Organization
    role: str
    is_active: bool
    created_at: datetime
    last_login: datetime | None
    password_hash: str = field(repr=False)

    @property
    def may_log_in(self) -> bool:
        """Whether neither the account nor its organization is disabled."""
        return self.is_active and self.organization.is_active


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made, together with its organization, whose admin it is."""

    email: str
    full_name: str
    password_hash: str = field(repr=False)
    organization_name: str
    tier: str
    settings: OrganizationSettings


@dataclass(frozen=True, slots=True)
class Session:
    """A user who has logged in, until the session ends."""

    id: UUID
    user: User
