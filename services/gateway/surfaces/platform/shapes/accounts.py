"""Users, their sessions, and what they prefer."""

from typing import Literal

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.common import Time, Uuid


class User(TypedDict):
    """An account."""

    id: Uuid
    email: str
    full_name: str
    organization_id: Uuid
    organization_name: str
    role: Literal["user", "admin"]
    tier: Literal["free", "pro", "enterprise"]
    is_active: bool
    last_login: Time | None
    created_at: Time


class Preferences(TypedDict):
    """What a person chose."""

    theme: str
    notifications: bool
    language: str


class Me(User):
    """The caller's account; `anthropic_api_key` is masked, null: there is none."""

    anthropic_api_key: str | None
    is_verified: bool
    preferences: Preferences
    updated_at: Time


class Tokens(TypedDict):
    """A session's tokens; `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int


class Session(Tokens):
    """A new session."""

    user: User
