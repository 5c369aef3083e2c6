"""Tokens by which this service acts inside the organization whose work it does."""

import time

from mesh import client
from mesh.settings import MeshSettings
from pagemesh.auth.v1.auth_pb2 import IssueServiceTokenRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub

_MARGIN_SECONDS = 60.0
_KEPT = 1_000


class ServiceTokens:
    """Asks `auth` for a token per organization and keeps it for most of its life."""

    def __init__(self, service: str, settings: MeshSettings) -> None:
        self._service = service
        self._secret = settings.service_secret
        self._auth = TokenServiceStub(client.connect(settings.auth_url, settings))
        self._tokens: dict[str, tuple[str, float]] = {}

    async def get(self, organization_id: str) -> str:
        """A token for the organization. Raises Forbidden when the secret is wrong, Unavailable."""
        token, expires_at = self._tokens.get(organization_id, ("", 0.0))
        if expires_at > time.monotonic():
            return token
        request = IssueServiceTokenRequest(
            service=self._service, secret=self._secret.get_secret_value(), organization_id=organization_id
        )
        issued = await client.call(self._auth.IssueServiceToken, request)
        if len(self._tokens) >= _KEPT:
            self._tokens.clear()
        self._tokens[organization_id] = (issued.access_token, time.monotonic() + issued.expires_in - _MARGIN_SECONDS)
        return issued.access_token
