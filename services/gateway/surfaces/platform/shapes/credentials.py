"""API keys, keys of providers of language models, and OAuth clients."""

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.common import Time, Uuid


class ApiKey(TypedDict):
    """An API key without the key itself; `scopes` null: whatever its owner may do; `last_used` some minutes old."""

    id: Uuid
    name: str
    prefix: str
    scopes: list[str] | None
    created_at: Time
    expires_at: Time | None
    last_used: Time | None


class NewApiKey(ApiKey):
    """A new API key."""

    key: str


class ApiKeyList(TypedDict):
    """API keys, newest first."""

    items: list[ApiKey]
    total: int
    page: int
    per_page: int
    pages: int


class StoredProviderKey(TypedDict):
    """What was stored; `masked_key` shows how keys of its kind begin, null: there is none now."""

    message: str
    masked_key: str | None


class ProviderKey(TypedDict):
    """The caller's own key for a provider of language models, without the key itself."""

    provider: str
    masked_key: str
    created_at: Time
    updated_at: Time


class ProviderKeyList(TypedDict):
    """The caller's own provider keys, in alphabetical order."""

    items: list[ProviderKey]
    total: int
    page: int
    per_page: int
    pages: int


class OAuthClient(TypedDict):
    """An OAuth client without its secret."""

    id: Uuid
    client_id: str
    name: str
    scopes: list[str]
    created_at: Time


class NewClient(OAuthClient):
    """A new OAuth client."""

    client_secret: str


class RotatedClient(NewClient):
    """An OAuth client with another secret."""

    previous_secret_expires_at: Time


class ClientList(TypedDict):
    """OAuth clients, newest first."""

    items: list[OAuthClient]
    total: int
    page: int
    per_page: int
    pages: int
