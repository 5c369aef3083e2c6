"""Signing in with an account elsewhere."""

from starlette.responses import Response

from mesh import client
from mesh.revocations import Revocations
from pagemesh.auth.v1 import signin_pb2
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Endpoint, get
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.platform import PREFIX, models, render, shapes
from services.gateway.validation import NoBody

_SECRET = {"cache-control": "no-store"}
_SECONDS = 20.0  # `auth` waits for the provider, for up to 16 s in all


class SignIn:
    """Both steps of a sign-in; the provider's own comes in between."""

    def __init__(self, neighbours: Neighbours, revocations: Revocations) -> None:
        self._sign_in = neighbours.sign_in
        self._revocations = revocations

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        path = f"{PREFIX}/auth/oauth/{{provider}}"
        return [
            get(
                f"{path}/authorize",
                self.authorize,
                "Begin to sign in by a provider",
                {302: Answer("The provider's page to sign in; it sends the browser back with `code` and `state`.")},
                models.BeginQuery,
                public=True,
                problems=(404,),
            ),
            Endpoint(
                "POST",
                path,
                self.finish,
                "Sign in with what the provider sent back",
                {200: Answer("The account with a new session.", shapes.Session)},
                NoBody,
                models.FinishQuery,
                public=True,
                problems=(400, 403, 404),
            ),
        ]

    async def authorize(self, call: Call[NoBody, models.BeginQuery]) -> Response:
        """Sends the browser to the provider."""
        request = signin_pb2.BeginSignInRequest(
            provider=call.request.path_params["provider"], code_challenge=call.query.code_challenge or ""
        )
        begun = await client.call(self._sign_in.BeginSignIn, request, _SECONDS)
        return Response(status_code=302, headers={"location": begun.authorization_url, **_SECRET})

    async def finish(self, call: Call[NoBody, models.FinishQuery]) -> Response:
        """Opens a session."""
        query = call.query
        request = signin_pb2.FinishSignInRequest(
            provider=call.request.path_params["provider"],
            code=query.code,
            state=query.state,
            code_verifier=query.code_verifier,
        )
        opened = await client.call(self._sign_in.FinishSignIn, request, _SECONDS)
        self._revocations.learn_all(opened.events)
        return json_response(render.session(opened.user, opened.tokens), headers=_SECRET)
