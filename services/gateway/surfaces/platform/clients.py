"""OAuth clients of the caller's organization."""

from starlette.responses import Response

from mesh import client
from mesh.revocations import Revocations
from pagemesh.auth.v1 import clients_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, delete, get, post
from services.gateway.listing import PageQuery, list_response
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_CLIENTS = f"{PREFIX}/organizations/me/clients"
_ONE = f"{_CLIENTS}/{{client_id}}"
_SECRET = {"cache-control": "no-store"}


class Clients:
    """Programs that act for an organization, as its admins see them."""

    def __init__(self, neighbours: Neighbours, revocations: Revocations) -> None:
        self._neighbours = neighbours
        self._revocations = revocations

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            post(
                _CLIENTS,
                self.create,
                "Make an OAuth client",
                {201: Answer("The client with its secret, shown this once.", shapes.NewClient)},
                models.ClientBody,
                keyed=Keyed(secret=True),
            ),
            get(
                _CLIENTS,
                self.list,
                "OAuth clients of the caller's organization",
                {200: Answer("One page of them, newest first.", shapes.ClientList, headers=("Link",))},
                PageQuery,
            ),
            post(
                f"{_ONE}/rotate",
                self.rotate,
                "Give an OAuth client another secret",
                {200: Answer("The client with its new secret, shown this once.", shapes.RotatedClient)},
                NoBody,
                keyed=Keyed(secret=True),
            ),
            delete(_ONE, self.delete, "Delete an OAuth client", {204: Answer("Its tokens are dead.")}),
        ]

    async def create(self, call: Call[models.ClientBody, NoQuery]) -> Response:
        """Makes a client."""
        request = clients_pb2.CreateClientRequest(
            name=call.body.name, scopes=call.body.scopes, request_id=call.origin.id("client")
        )
        made = await client.call(self._neighbours.oauth_clients.CreateClient, request)
        shown: shapes.NewClient = {**render.oauth_client(made.client), "client_secret": made.client_secret}
        return json_response(shown, 201, _SECRET)

    async def list(self, call: Call[NoBody, PageQuery]) -> Response:
        """The organization's clients."""
        request = clients_pb2.ListClientsRequest(page=call.query.page, per_page=call.query.per_page)
        found = await client.call(self._neighbours.oauth_clients.ListClients, request)
        items = [render.oauth_client(each) for each in found.clients]
        return list_response(call.request.url, call.query, items, found.total)

    async def rotate(self, call: Call[NoBody, NoQuery]) -> Response:
        """Gives another secret."""
        request = clients_pb2.RotateClientSecretRequest(client_id=call.ids["client_id"])
        made = await client.call(self._neighbours.oauth_clients.RotateClientSecret, request)
        shown: shapes.RotatedClient = {
            **render.oauth_client(made.client),
            "client_secret": made.client_secret,
            "previous_secret_expires_at": render.time(made.previous_expires_at),
        }
        return json_response(shown, 200, _SECRET)

    async def delete(self, call: Call[NoBody, NoQuery]) -> Response:
        """Deletes a client."""
        request = clients_pb2.DeleteClientRequest(client_id=call.ids["client_id"])
        gone = await client.call(self._neighbours.oauth_clients.DeleteClient, request)
        self._revocations.learn_all(gone.events)
        return Response(status_code=204)
