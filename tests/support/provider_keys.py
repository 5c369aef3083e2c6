"""Provider keys over gRPC, for tests."""

from mesh import client, context
from mesh.settings import MeshSettings
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc, keys_pb2, keys_pb2_grpc
from pagemesh.auth.v1 import provider_keys_pb2 as pb
from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceStub


class KeyClient:
    """Stores keys at an `auth`, and asks it for keys themselves."""

    def __init__(self, settings: MeshSettings) -> None:
        self.channel = client.connect(settings.listen, settings)
        self._keys = ProviderKeyServiceStub(self.channel)
        self._tokens = auth_pb2_grpc.TokenServiceStub(self.channel)
        self._api_keys = keys_pb2_grpc.ApiKeyServiceStub(self.channel)

    async def service_token(self, organization_id: str, service: str = "analysis") -> str:
        """A token of a service inside an organization."""
        request = auth_pb2.IssueServiceTokenRequest(
            service=service, secret="shared among services", organization_id=organization_id
        )
        return (await client.call(self._tokens.IssueServiceToken, request)).access_token

    async def token_for(self, api_key: str) -> str:
        """What an API key is exchanged for."""
        request = keys_pb2.ExchangeApiKeyRequest(key=api_key)
        return (await client.call(self._api_keys.ExchangeApiKey, request)).access_token

    async def open(self, token: str, user_id: str, *providers: str) -> tuple[str, str]:
        """The first of these keys."""
        context.bearer_token.set(token)
        request = pb.OpenProviderKeyRequest(user_id=user_id, providers=providers)
        try:
            opened = await client.call(self._keys.OpenProviderKey, request)
        finally:
            context.bearer_token.set("")
        return opened.provider, opened.key

    async def open_as_service(self, organization_id: str, user_id: str, *providers: str) -> tuple[str, str]:
        """The first of these keys of a user, as the service that may."""
        return await self.open(await self.service_token(organization_id), user_id, *providers)

    async def put(self, token: str, provider: str, key: str) -> None:
        """Stores a key of the caller's."""
        context.bearer_token.set(token)
        try:
            await client.call(self._keys.PutProviderKey, pb.PutProviderKeyRequest(provider=provider, key=key))
        finally:
            context.bearer_token.set("")
