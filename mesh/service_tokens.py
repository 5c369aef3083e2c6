"""Tokens by which a service acts inside the organization whose work it does."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from mesh import client
from pagemesh.auth.v1.auth_pb2 import IssueServiceTokenRequest

if TYPE_CHECKING:
    from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceAsyncStub

_MARGIN_SECONDS = 60.0
_KEPT = 1_000


class ServiceTokens:
    """Asks `auth` for a token per organization, for these scopes alone, and keeps it for most of its life."""

    def __init__(self, service: str, secret: SecretStr, auth: "TokenServiceAsyncStub", scopes: Sequence[str]) -> None:
        self._service = service
        self._secret = secret
        self._auth = auth
        self._scopes = scopes
        self._tokens: dict[str, tuple[str, float]] = {}

    async def get(self, organization_id: str) -> str:
        """A token for the organization. Raises Forbidden when the secret is wrong, Unavailable."""
        token, expires_at = self._tokens.get(organization_id, ("", 0.0))
        if expires_at > time.monotonic():
            return token
        request = IssueServiceTokenRequest(
            service=self._service,
            secret=self._secret.get_secret_value(),
            organization_id=organization_id,
            scopes=self._scopes,
        )
        issued = await client.call(self._auth.IssueServiceToken, request)
        if len(self._tokens) >= _KEPT:
            self._tokens.clear()
        self._tokens[organization_id] = (issued.access_token, time.monotonic() + issued.expires_in - _MARGIN_SECONDS)
        return issued.access_token
