"""Accounts and sessions."""

from starlette.responses import Response

from mesh import client
from mesh.revocations import Revocations
from pagemesh.auth.v1 import auth_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Keyed, delete, get, post, put
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody, NoQuery

_SECRET = {"cache-control": "no-store"}


class Accounts:
    """The part of the platform API that `auth` stands behind."""

    def __init__(self, neighbours: Neighbours, revocations: Revocations) -> None:
        self._neighbours = neighbours
        self._revocations = revocations

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
                keyed=Keyed(owner=lambda body: body.email.lower()),
            ),
            post(
                f"{PREFIX}/auth/login",
                self.login,
                "Open a session",
                {200: Answer("The account with a new session.", shapes.Session)},
                models.LoginBody,
                public=True,
                problems=(401, 403, 429),
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
            post(
                f"{PREFIX}/auth/logout",
                self.logout,
                "End this session",
                {204: Answer("Its access and refresh tokens are dead.")},
                NoBody,
                problems=(403,),
            ),
            get(f"{PREFIX}/users/me", self.me, "The caller's account", {200: Answer("The account.", shapes.Me)}),
            put(
                f"{PREFIX}/users/me",
                self.change,
                "Change the caller's account",
                {200: Answer("The account.", shapes.Me)},
                models.MeBody,
            ),
            delete(
                f"{PREFIX}/users/me",
                self.delete,
                "Delete the caller's account",
                {204: Answer("Its tokens and keys are dead.")},
                problems=(409,),
            ),
            post(
                f"{PREFIX}/auth/invitations/accept",
                self.accept,
                "Join an organization",
                {201: Answer("The account with its first session.", shapes.Session)},
                models.AcceptBody,
                public=True,
                problems=(409,),
                keyed=Keyed(owner=lambda body: body.token),
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
        return json_response(render.session(made.user, made.tokens), 201, _SECRET)

    async def login(self, call: Call[models.LoginBody, NoQuery]) -> Response:
        """Opens a session."""
        address = call.request.client.host if call.request.client else ""
        request = auth_pb2.LoginRequest(email=call.body.email, password=call.body.password, client_address=address)
        opened = await client.call(self._neighbours.accounts.Login, request)
        return json_response(render.session(opened.user, opened.tokens), headers=_SECRET)

    async def refresh(self, call: Call[models.RefreshBody, NoQuery]) -> Response:
        """Gives the next tokens of a session."""
        request = auth_pb2.RefreshRequest(refresh_token=call.body.refresh_token)
        refreshed = await client.call(self._neighbours.accounts.Refresh, request)
        return json_response(render.tokens(refreshed.tokens), headers=_SECRET)

    async def logout(self, call: Call[NoBody, NoQuery]) -> Response:
        """Ends the caller's session, here at once and everywhere else within a second."""
        ended = await client.call(self._neighbours.accounts.Logout, auth_pb2.LogoutRequest())
        self._revocations.learn_all(ended.events)
        return Response(status_code=204)

    async def me(self, call: Call[NoBody, NoQuery]) -> Response:
        """The caller's account."""
        answer = await client.call(self._neighbours.accounts.GetMe, auth_pb2.GetMeRequest())
        return json_response(render.me(answer))

    async def change(self, call: Call[models.MeBody, NoQuery]) -> Response:
        """Changes the caller's account."""
        chosen = call.body.preferences or models.PreferencesBody()
        request = auth_pb2.UpdateMeRequest(
            full_name=call.body.full_name,
            theme=chosen.theme,
            notifications=chosen.notifications,
            language=chosen.language,
        )
        changed = await client.call(self._neighbours.accounts.UpdateMe, request)
        return json_response(render.me(changed))

    async def delete(self, call: Call[NoBody, NoQuery]) -> Response:
        """Deletes the caller's account."""
        gone = await client.call(self._neighbours.accounts.DeleteMe, auth_pb2.DeleteMeRequest())
        self._revocations.learn_all(gone.events)
        return Response(status_code=204)

    async def accept(self, call: Call[models.AcceptBody, NoQuery]) -> Response:
        """Makes the invited account."""
        body = call.body
        request = auth_pb2.AcceptInvitationRequest(token=body.token, password=body.password, full_name=body.full_name)
        made = await client.call(self._neighbours.accounts.AcceptInvitation, request)
        return json_response(render.session(made.user, made.tokens), 201, _SECRET)
