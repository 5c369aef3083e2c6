"""The caller's own keys for providers of language models; a key goes in and never comes out."""

from contextlib import suppress

from pydantic import SecretStr
from starlette.responses import Response

from mesh import client
from mesh.errors import InvalidArgument, NotFound
from pagemesh.auth.v1 import provider_keys_pb2 as pb
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, delete, get, put
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_ANTHROPIC = "anthropic"
_ANTHROPIC_KEY = f"{PREFIX}/users/me/api-key"
_KEYS = f"{PREFIX}/users/me/provider-keys"
_SECRET = {"cache-control": "no-store"}


class ProviderKeys:
    """Keys that analyses are made with in place of the deployment's."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._keys = neighbours.provider_keys

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        stored = {200: Answer("What is stored now.", shapes.StoredProviderKey)}
        erased = {204: Answer("It is erased.")}
        return [
            put(
                _ANTHROPIC_KEY,
                self.put_anthropic,
                "Store, or with null erase, the caller's own key for Anthropic",
                stored,
                models.AnthropicKeyBody,
            ),
            delete(
                _ANTHROPIC_KEY,
                self.erase_anthropic,
                "Erase the caller's own key for Anthropic",
                erased,
                problems=(404,),
            ),
            get(
                _KEYS,
                self.list,
                "The caller's own provider keys, masked",
                {200: Answer("One page of them.", shapes.ProviderKeyList, headers=("Link",))},
                PageQuery,
            ),
            put(
                f"{_KEYS}/{{provider}}",
                self.put,
                "Store, or with null erase, the caller's own key for a provider (names are litellm's: openai, …)",
                stored,
                models.ProviderKeyBody,
            ),
            delete(
                f"{_KEYS}/{{provider}}",
                self.erase,
                "Erase the caller's own key for a provider",
                erased,
                problems=(404,),
            ),
        ]

    async def put_anthropic(self, call: Call[models.AnthropicKeyBody, NoQuery]) -> Response:
        """Stores the key for Anthropic."""
        return await self._put(_ANTHROPIC, call.body.anthropic_api_key)

    async def erase_anthropic(self, call: Call[NoBody, NoQuery]) -> Response:
        """Erases the key for Anthropic."""
        return await self._erase(_ANTHROPIC)

    async def put(self, call: Call[models.ProviderKeyBody, NoQuery]) -> Response:
        """Stores a key."""
        return await self._put(call.request.path_params["provider"], call.body.api_key)

    async def erase(self, call: Call[NoBody, NoQuery]) -> Response:
        """Erases a key. Of what is no provider there can be none either: the path is wrong and no field."""
        try:
            return await self._erase(call.request.path_params["provider"])
        except InvalidArgument as error:
            raise NotFound("There is no such key.") from error

    async def list(self, call: Call[NoBody, PageQuery]) -> Response:
        """The caller's keys."""
        request = pb.ListProviderKeysRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._keys.ListProviderKeys, request)
        items = [render.provider_key(key) for key in found.provider_keys]
        return list_response(call.request.url, call.query, items, found.total)

    async def _put(self, provider: str, key: SecretStr | None) -> Response:
        if key is None:
            return await self._clear(provider)
        request = pb.PutProviderKeyRequest(provider=provider, key=key.get_secret_value())
        stored = (await client.call(self._keys.PutProviderKey, request)).provider_key
        answer: shapes.StoredProviderKey = {"message": "API key stored", "masked_key": stored.masked_key}
        return json_response(answer, headers=_SECRET)

    async def _clear(self, provider: str) -> Response:
        with suppress(NotFound):  # there was none: it is as it should be
            await self._erase(provider)
        answer: shapes.StoredProviderKey = {"message": "API key removed", "masked_key": None}
        return json_response(answer, headers=_SECRET)

    async def _erase(self, provider: str) -> Response:
        await client.call(self._keys.DeleteProviderKey, pb.DeleteProviderKeyRequest(provider=provider))
        return Response(status_code=204)
