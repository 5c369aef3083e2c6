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
class Preferences:
    """What a person chose, with what is so before they choose."""

    theme: str = "system"
    notifications: bool = True
    language: str = "en"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests in each window, where an organization's differ from its tier's; None: as the tier."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None


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
    rate_limits: RateLimits = field(default_factory=RateLimits)
    generation: int = 1
    """Grows when the tokens that were given out before are declared dead: when it is disabled."""


@dataclass(frozen=True, slots=True)
class User:
    """A person's account. `last_login` is None before the first login; `password_hash` where there is no password."""

    id: UUID
    email: str
    full_name: str
    organization: Organization
    role: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None
    password_hash: str | None = field(repr=False)
    preferences: Preferences
    generation: int
    """Grows when the tokens that were given out before are declared dead."""
    email_verified: bool
    """Whether somebody proved that the address is theirs."""

    @property
    def may_log_in(self) -> bool:
        """Whether neither the account nor its organization is disabled."""
        return self.is_active and self.organization.is_active


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to be made; without a password when a provider signs it in."""

    email: str
    full_name: str
    password_hash: str | None = field(repr=False)
    email_verified: bool = False


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made, together with its organization, whose admin it is."""

    user: NewUser
    organization_name: str
    tier: str
    settings: OrganizationSettings


@dataclass(frozen=True, slots=True)
class Session:
    """A user who has logged in, until the session ends."""

    id: UUID
    user: User


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Somebody as a provider knows them: `subject` is theirs for ever at `issuer`, everything else may change.

    `email` is an address that the provider says is verified, or empty.
    """

    issuer: str
    subject: str
    email: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody who may join an organization."""

    id: UUID
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What to change of a member; None leaves it."""

    role: str | None
    is_active: bool | None


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """Tokens of the subject are dead: those of lower generations, or all when the generation is 0.

    `expires_at` is when the last of them would have expired by itself.
    """

    id: int
    kind: str
    subject_id: UUID
    generation: int
    occurred_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to be recorded. Without scopes it may do whatever its owner may; without an end it never expires."""

    name: str
    key_hash: bytes = field(repr=False)
    prefix: str
    scopes: tuple[str, ...] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A recorded key."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A program that acts for an organization, with the most that its tokens can be for."""

    id: UUID
    organization_id: UUID
    tier: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    organization_generation: int


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """What is shown of a person's key for a provider of language models."""

    provider: str
    masked_key: str
    created_at: datetime
    updated_at: datetime
