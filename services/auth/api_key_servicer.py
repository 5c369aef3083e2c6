"""The gRPC service of API keys: messages to ideas and back, no logic."""

from uuid import UUID

from mesh import identity
from mesh.errors import NotFound
from pagemesh.auth.v1 import keys_pb2, keys_pb2_grpc
from services.auth import convert
from services.auth.api_keys import ApiKeys


class ApiKeyServicer(keys_pb2_grpc.ApiKeyServiceServicer):
    """Keys of the caller's account."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(
        self, request: keys_pb2.CreateApiKeyRequest, context: object
    ) -> keys_pb2.CreateApiKeyResponse:
        """Makes a key."""
        expires_at = convert.moment(request.expires_at, "expires_at") if request.HasField("expires_at") else None
        request_id = convert.request_id(request.request_id)
        made, key = await self._keys.create(identity.current(), request.name, request.scopes, expires_at, request_id)
        return keys_pb2.CreateApiKeyResponse(api_key=convert.api_key(made), key=key)

    async def ListApiKeys(self, request: keys_pb2.ListApiKeysRequest, context: object) -> keys_pb2.ListApiKeysResponse:
        """The caller's keys."""
        keys, total = await self._keys.list(identity.current(), request.page, request.per_page)
        return keys_pb2.ListApiKeysResponse(api_keys=map(convert.api_key, keys), total=total)

    async def RevokeApiKey(
        self, request: keys_pb2.RevokeApiKeyRequest, context: object
    ) -> keys_pb2.RevokeApiKeyResponse:
        """Revokes a key."""
        try:
            key_id = UUID(request.api_key_id)
        except ValueError as error:  # no key has such an id
            raise NotFound("There is no such key.") from error
        events = await self._keys.revoke(identity.current(), key_id)
        return keys_pb2.RevokeApiKeyResponse(events=map(convert.event, events))

    async def ExchangeApiKey(
        self, request: keys_pb2.ExchangeApiKeyRequest, context: object
    ) -> keys_pb2.ExchangeApiKeyResponse:
        """A token for a key."""
        token, life = await self._keys.exchange(request.key)
        return keys_pb2.ExchangeApiKeyResponse(access_token=token, expires_in=int(life.total_seconds()))
