"""The gRPC services of OAuth clients: messages to ideas and back, no logic."""

from datetime import UTC, datetime
from uuid import UUID

from mesh import identity
from mesh.errors import NotFound
from pagemesh.auth.v1 import clients_pb2, clients_pb2_grpc
from services.auth import convert
from services.auth.client_tokens import ROLE, ClientTokens, scopes_of
from services.auth.clients import Clients


class OAuthClientServicer(clients_pb2_grpc.OAuthClientServiceServicer):
    """Clients of the caller's organization."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def CreateClient(
        self, request: clients_pb2.CreateClientRequest, context: object
    ) -> clients_pb2.CreateClientResponse:
        """Makes a client."""
        request_id = convert.request_id(request.request_id)
        client, secret = await self._clients.create(identity.current(), request.name, request.scopes, request_id)
        return clients_pb2.CreateClientResponse(client=convert.oauth_client(client), client_secret=secret)

    async def ListClients(
        self, request: clients_pb2.ListClientsRequest, context: object
    ) -> clients_pb2.ListClientsResponse:
        """The organization's clients."""
        clients, total = await self._clients.list(identity.current(), request.page, request.per_page)
        return clients_pb2.ListClientsResponse(clients=map(convert.oauth_client, clients), total=total)

    async def RotateClientSecret(
        self, request: clients_pb2.RotateClientSecretRequest, context: object
    ) -> clients_pb2.RotateClientSecretResponse:
        """Another secret."""
        client, secret, ends = await self._clients.rotate(identity.current(), _client_id(request.client_id))
        return clients_pb2.RotateClientSecretResponse(
            client=convert.oauth_client(client), client_secret=secret, previous_expires_at=convert.timestamp(ends)
        )

    async def DeleteClient(
        self, request: clients_pb2.DeleteClientRequest, context: object
    ) -> clients_pb2.DeleteClientResponse:
        """Deletes a client."""
        events = await self._clients.delete(identity.current(), _client_id(request.client_id))
        return clients_pb2.DeleteClientResponse(events=map(convert.event, events))


class OAuthServicer(clients_pb2_grpc.OAuthServiceServicer):
    """What clients themselves ask."""

    def __init__(self, tokens: ClientTokens) -> None:
        self._tokens = tokens

    async def IssueToken(
        self, request: clients_pb2.IssueTokenRequest, context: object
    ) -> clients_pb2.IssueTokenResponse:
        """A token."""
        client = request.client
        token, scopes = await self._tokens.issue(client.client_id, client.client_secret, request.scopes)
        life = int(self._tokens.life.total_seconds())
        return clients_pb2.IssueTokenResponse(access_token=token, expires_in=life, scopes=scopes)

    async def RevokeToken(
        self, request: clients_pb2.RevokeTokenRequest, context: object
    ) -> clients_pb2.RevokeTokenResponse:
        """Declares a token dead."""
        client = request.client
        events = await self._tokens.revoke(client.client_id, client.client_secret, request.token)
        return clients_pb2.RevokeTokenResponse(events=map(convert.event, events))

    async def IntrospectToken(
        self, request: clients_pb2.IntrospectTokenRequest, context: object
    ) -> clients_pb2.IntrospectTokenResponse:
        """What a token is good for."""
        client = request.client
        holder = await self._tokens.introspect(client.client_id, client.client_secret, request.token)
        if holder is None:
            return clients_pb2.IntrospectTokenResponse(active=False)
        return clients_pb2.IntrospectTokenResponse(
            active=True,
            scopes=scopes_of(holder),
            subject=holder.user_id,
            expires_at=convert.timestamp(datetime.fromtimestamp(holder.expires_at, UTC)),
            token_id=holder.token_id,
            is_client=holder.role == ROLE,
        )


def _client_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:  # no client has such an id
        raise NotFound("There is no such client.") from error
