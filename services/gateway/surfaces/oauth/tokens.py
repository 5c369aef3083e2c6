"""Tokens of OAuth clients: RFC 6749 section 4.4, RFC 7009, RFC 7662, RFC 8414."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from mesh import client, scopes
from mesh.errors import InvalidArgument, PagemeshError
from mesh.identity import ISSUER
from mesh.revocations import Revocations
from pagemesh.auth.v1 import clients_pb2
from services.gateway import problems
from services.gateway.answers import json_response
from services.gateway.endpoints import Answer, AnyEndpoint, Call, Endpoint, get
from services.gateway.neighbours import Neighbours
from services.gateway.surfaces.oauth import shapes
from services.gateway.surfaces.oauth.forms import (
    ClientForm,
    OneTokenForm,
    TokenForm,
    client_of,
    invalid_request,
    read_form,
    required,
)
from services.gateway.validation import LooseQuery, NoBody, NoQuery

_NOT_STORED = {"cache-control": "no-store", "pragma": "no-cache"}
_METHODS = ["client_secret_basic", "client_secret_post"]
# RFC 6749 section 5.2 and RFC 7009 section 2.2.1.
_ERRORS: dict[str, shapes.ErrorCode] = {
    "INVALID_CLIENT": "invalid_client",
    "INVALID_REQUEST": "invalid_request",
    "INVALID_SCOPE": "invalid_scope",
    "UNAUTHORIZED_CLIENT": "unauthorized_client",
    "UNSUPPORTED_GRANT_TYPE": "unsupported_grant_type",
}

Handler = Callable[[Call[NoBody, NoQuery]], Awaitable[Response]]


class OAuth:
    """What OAuth clients call."""

    def __init__(self, neighbours: Neighbours, revocations: Revocations, public_url: str) -> None:
        self._oauth = neighbours.oauth
        self._revocations = revocations
        self._public_url = public_url

    def endpoints(self) -> list[AnyEndpoint]:
        """What this serves."""
        return [
            _form("/auth/token", self.token, "An access token for an OAuth client", TokenForm, shapes.Token),
            _form("/auth/revoke", self.revoke, "Declare an OAuth client's token dead", OneTokenForm, None),
            _form("/auth/introspect", self.introspect, "What a token is for", OneTokenForm, shapes.Introspection),
            get(
                "/.well-known/oauth-authorization-server",
                self.metadata,
                "Metadata of the authorization server (RFC 8414)",
                {200: Answer("The metadata.", shapes.Metadata)},
                LooseQuery,
                public=True,
                counted=False,
                standalone=True,
            ),
        ]

    async def token(self, call: Call[NoBody, NoQuery]) -> Response:
        """Gives a token."""
        form = await read_form(call.request)
        if required(form, "grant_type") != "client_credentials":
            raise InvalidArgument("Only client_credentials is granted.", "UNSUPPORTED_GRANT_TYPE")
        request = clients_pb2.IssueTokenRequest(
            client=client_of(call.request, form), scopes=form.get("scope", "").split()
        )
        issued = await client.call(self._oauth.IssueToken, request)
        token: shapes.Token = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in,
            "scope": " ".join(issued.scopes),
        }
        return json_response(token, headers=_NOT_STORED)

    async def revoke(self, call: Call[NoBody, NoQuery]) -> Response:
        """Declares a token dead."""
        form = await read_form(call.request)
        request = clients_pb2.RevokeTokenRequest(client=client_of(call.request, form), token=required(form, "token"))
        self._revocations.learn_all((await client.call(self._oauth.RevokeToken, request)).events)
        return Response(status_code=200, headers=_NOT_STORED)

    async def introspect(self, call: Call[NoBody, NoQuery]) -> Response:
        """Tells what a token is for."""
        form = await read_form(call.request)
        request = clients_pb2.IntrospectTokenRequest(
            client=client_of(call.request, form), token=required(form, "token")
        )
        told = await client.call(self._oauth.IntrospectToken, request)
        return json_response(_introspection(told), headers=_NOT_STORED)

    async def metadata(self, call: Call[NoBody, LooseQuery]) -> Response:
        """Where everything is."""
        base = self._public_url or str(call.request.base_url)
        base = base.rstrip("/")
        metadata: shapes.Metadata = {
            "issuer": base,
            "token_endpoint": f"{base}/auth/token",
            "revocation_endpoint": f"{base}/auth/revoke",
            "introspection_endpoint": f"{base}/auth/introspect",
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "service_documentation": f"{base}/docs",
            "scopes_supported": list(scopes.GRANTABLE),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": _METHODS,
            "revocation_endpoint_auth_methods_supported": _METHODS,
            "introspection_endpoint_auth_methods_supported": _METHODS,
        }
        return json_response(metadata, headers={"cache-control": "public, max-age=300"})


def _form(path: str, handler: Handler, summary: str, form: type[ClientForm], answer: object) -> AnyEndpoint:
    async def in_oauth_form(call: Call[NoBody, NoQuery]) -> Response:
        try:
            return await handler(call)
        except PagemeshError as error:
            return problem(call.request, error)

    in_oauth_form.__qualname__ = f"oauth{path.replace('/', '.')}"
    answers = {
        200: Answer("Done." if answer is None else "The answer.", answer),
        400: Answer("Why not.", shapes.OAuthProblem),
        401: Answer("The client is unknown, or its secret is wrong.", shapes.OAuthProblem),
    }
    return Endpoint(  # what is not known is ignored (RFC 6749 section 3.2)
        "POST", path, in_oauth_form, summary, answers, NoBody, LooseQuery, urlencoded=form, public=True, problems=(429,)
    )


def problem(request: Request, error: PagemeshError) -> Response:
    """The error as RFC 6749 section 5.2 has it; one that it does not know, in our own form."""
    if error.reason == "BODY_TOO_LARGE":
        error = invalid_request(error.message)
    if error.reason not in _ERRORS:
        return problems.response(error)
    body: shapes.OAuthProblem = {"error": _ERRORS[error.reason], "error_description": error.message}
    if error.reason == "INVALID_CLIENT":
        challenge = {"www-authenticate": 'Basic realm="pagemesh", charset="UTF-8"'}
        return json_response(body, HTTPStatus.UNAUTHORIZED, {**_NOT_STORED, **challenge})
    return json_response(body, HTTPStatus.BAD_REQUEST, _NOT_STORED)


def _introspection(told: clients_pb2.IntrospectTokenResponse) -> shapes.Introspection:
    if not told.active:
        return {"active": False}
    introspection: shapes.Introspection = {
        "active": True,
        "scope": " ".join(told.scopes),
        "token_type": "Bearer",
        "exp": told.expires_at.seconds,
        "sub": told.subject,
        "iss": ISSUER,
        "jti": told.token_id,
    }
    if told.is_client:
        introspection["client_id"] = told.subject
    return introspection
