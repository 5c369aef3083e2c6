"""What answers to OAuth clients hold."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

ErrorCode = Literal[
    "invalid_client", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"
]


class Token(TypedDict):
    """An access token (RFC 6749 section 5.1); `expires_in` in seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class OAuthProblem(TypedDict):
    """Why a request failed (RFC 6749 section 5.2)."""

    error: ErrorCode
    error_description: str


class Introspection(TypedDict):
    """What a token is for (RFC 7662 section 2.2)."""

    active: bool
    scope: NotRequired[str]
    client_id: NotRequired[str]
    token_type: NotRequired[Literal["Bearer"]]
    exp: NotRequired[int]
    sub: NotRequired[str]
    iss: NotRequired[str]
    jti: NotRequired[str]


class Metadata(TypedDict):
    """Metadata of the authorization server (RFC 8414 section 2)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    service_documentation: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
