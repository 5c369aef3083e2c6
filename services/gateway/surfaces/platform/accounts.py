"""Accounts, sessions and organizations."""

from starlette.responses import Response

from mesh import client
from pagemesh.auth.v1 import auth_pb2
from pagemesh.results.v1 import results_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, get, post
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_SECRET = {"cache-control": "no-store"}


class Accounts:
    """The part of the platform API that `auth` stands behind."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            post(
                f"{PREFIX}/auth/register",
                self.register,
                "Make an account and an organization",
                {201: Answer("The account with its first session.", shapes.Session)},
                models.RegisterBody,
                public=True,
                problems=(409,),
            ),
            post(
                f"{PREFIX}/auth/login",
                self.login,
                "Open a session",
                {200: Answer("The account with a new session.", shapes.Session)},
                models.LoginBody,
                public=True,
                problems=(401, 403),
            ),
            post(
                f"{PREFIX}/auth/refresh",
                self.refresh,
                "Spend a refresh token for new tokens",
                {200: Answer("The session's new tokens.", shapes.Tokens)},
                models.RefreshBody,
                public=True,
                problems=(401,),
            ),
            get(f"{PREFIX}/users/me", self.me, "The caller's account", {200: Answer("The account.", shapes.Me)}),
            get(
                f"{PREFIX}/organizations/me",
                self.organization,
                "The caller's organization",
                {200: Answer("The organization.", shapes.Organization)},
            ),
        ]

    async def register(self, call: Call[models.RegisterBody, NoQuery]) -> Response:
        """Makes an account."""
        body = call.body
        request = auth_pb2.RegisterRequest(
            email=body.email,
            password=body.password,
            full_name=body.full_name.strip(),
            organization_name=(body.organization_name or "").strip(),
        )
        made = await client.call(self._neighbours.accounts.Register, request)
        return _session(made.user, made.tokens, 201)

    async def login(self, call: Call[models.LoginBody, NoQuery]) -> Response:
        """Opens a session."""
        request = auth_pb2.LoginRequest(email=call.body.email, password=call.body.password)
        opened = await client.call(self._neighbours.accounts.Login, request)
        return _session(opened.user, opened.tokens, 200)

    async def refresh(self, call: Call[models.RefreshBody, NoQuery]) -> Response:
        """Gives the next tokens of a session."""
        request = auth_pb2.RefreshRequest(refresh_token=call.body.refresh_token)
        refreshed = await client.call(self._neighbours.accounts.Refresh, request)
        return json_response(render.tokens(refreshed.tokens), headers=_SECRET)

    async def me(self, call: Call[NoBody, NoQuery]) -> Response:
        """The caller's account."""
        answer = await client.call(self._neighbours.accounts.GetMe, auth_pb2.GetMeRequest())
        return json_response(render.me(answer.user))

    async def organization(self, call: Call[NoBody, NoQuery]) -> Response:
        """The caller's organization."""
        request = auth_pb2.GetOrganizationRequest()
        answer = await client.call(self._neighbours.organizations.GetOrganization, request)
        counting = results_pb2.ListDocumentsRequest(page=1, per_page=1)
        counted = await client.call(self._neighbours.documents.ListDocuments, counting)
        return json_response(render.organization(answer.organization, counted.total))


def _session(user: auth_pb2.User, tokens: auth_pb2.TokenPair, status: int) -> Response:
    session: shapes.Session = {**render.tokens(tokens), "user": render.user(user)}
    return json_response(session, status, _SECRET)
