"""The gRPC service of provider keys: messages to ideas and back, no logic."""

from mesh import identity
from pagemesh.auth.v1 import provider_keys_pb2 as pb
from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceServicer
from services.auth import convert
from services.auth.provider_keys import ProviderKeys


class ProviderKeyServicer(ProviderKeyServiceServicer):
    """Keys for providers of language models."""

    def __init__(self, keys: ProviderKeys) -> None:
        self._keys = keys

    async def PutProviderKey(self, request: pb.PutProviderKeyRequest, context: object) -> pb.PutProviderKeyResponse:
        """Stores a key."""
        stored = await self._keys.put(identity.current(), request.provider, request.key)
        return pb.PutProviderKeyResponse(provider_key=convert.provider_key(stored))

    async def ListProviderKeys(
        self, request: pb.ListProviderKeysRequest, context: object
    ) -> pb.ListProviderKeysResponse:
        """The caller's keys."""
        keys, total = await self._keys.list(identity.current(), request.page, request.per_page)
        return pb.ListProviderKeysResponse(provider_keys=map(convert.provider_key, keys), total=total)

    async def DeleteProviderKey(
        self, request: pb.DeleteProviderKeyRequest, context: object
    ) -> pb.DeleteProviderKeyResponse:
        """Erases a key."""
        await self._keys.erase(identity.current(), request.provider)
        return pb.DeleteProviderKeyResponse()

    async def OpenProviderKey(self, request: pb.OpenProviderKeyRequest, context: object) -> pb.OpenProviderKeyResponse:
        """A key itself."""
        provider, key = await self._keys.open(identity.current(), request.user_id, request.providers)
        return pb.OpenProviderKeyResponse(provider=provider, key=key)
