"""API keys of the caller's account."""

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from mesh import client
from mesh.revocations import Revocations
from pagemesh.auth.v1 import keys_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, delete, get, post
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_KEYS = f"{PREFIX}/api-keys"
_SECRET = {"cache-control": "no-store"}


class ApiKeys:
    """Keys that programs use in a person's place."""

    def __init__(self, neighbours: Neighbours, revocations: Revocations) -> None:
        self._neighbours = neighbours
        self._revocations = revocations

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            post(
                _KEYS,
                self.create,
                "Make an API key",
                {201: Answer("The key, shown this once.", shapes.NewApiKey)},
                models.ApiKeyBody,
                problems=(403,),
                keyed=Keyed(secret=True),
            ),
            get(
                _KEYS,
                self.list,
                "The caller's API keys",
                {200: Answer("One page of them, newest first.", shapes.ApiKeyList, headers=("Link",))},
                PageQuery,
            ),
            delete(
                f"{_KEYS}/{{api_key_id}}",
                self.revoke,
                "Revoke an API key",
                {204: Answer("It is dead.")},
            ),
        ]

    async def create(self, call: Call[models.ApiKeyBody, NoQuery]) -> Response:
        """Makes a key."""
        expires_at = Timestamp()
        if call.body.expires_at is not None:
            expires_at.FromDatetime(call.body.expires_at)
        request = keys_pb2.CreateApiKeyRequest(
            name=call.body.name,
            scopes=call.body.scopes or (),
            expires_at=None if call.body.expires_at is None else expires_at,
            request_id=call.origin.id("api key"),
        )
        made = await client.call(self._neighbours.api_keys.CreateApiKey, request)
        shown: shapes.NewApiKey = {**render.api_key(made.api_key), "key": made.key}
        return json_response(shown, 201, _SECRET)

    async def list(self, call: Call[NoBody, PageQuery]) -> Response:
        """The caller's keys."""
        request = keys_pb2.ListApiKeysRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._neighbours.api_keys.ListApiKeys, request)
        items = [render.api_key(key) for key in found.api_keys]
        return list_response(call.request.url, call.query, items, found.total)

    async def revoke(self, call: Call[NoBody, NoQuery]) -> Response:
        """Revokes a key."""
        request = keys_pb2.RevokeApiKeyRequest(api_key_id=call.ids["api_key_id"])
        gone = await client.call(self._neighbours.api_keys.RevokeApiKey, request)
        self._revocations.learn_all(gone.events)
        return Response(status_code=204)
