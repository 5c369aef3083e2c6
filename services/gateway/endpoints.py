"""Endpoints as declarations: what they read, what they answer, who serves them.

Routes and the OpenAPI document both come from here, so that neither can promise what the other does not keep.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh import scopes
from mesh.identity import Identity
from services.gateway.admission import Admission
from services.gateway.credentials import Credentials
from services.gateway.problems import NOT_FOUND
from services.gateway.traffic import ROUTE
from services.gateway.validation import NoBody, NoQuery, read_json, read_query

B = TypeVar("B", bound=BaseModel)
Q = TypeVar("Q", bound=BaseModel)

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """A request that was found good as far as its declaration goes."""

    request: Request
    body: B
    query: Q
    identity: Identity
    ids: Mapping[str, str]
    """UUIDs of the path by parameter."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint may answer: a JSON type, another media type, or nothing."""

    description: str
    json: Any = None
    media_types: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[B, Q]):
    """One method of one path."""

    method: str
    path: str
    handler: Callable[[Call[B, Q]], Awaitable[Response]]
    summary: str
    answers: Mapping[int, Answer]
    body: type[B]
    query: type[Q]
    form: type[BaseModel] | None = None
    """Fields of a multipart form with a `file`; the handler reads it."""
    urlencoded: type[BaseModel] | None = None
    """Parameters of a form without files; the handler reads it."""
    public: bool = False
    scope: str = scopes.ACCOUNT
    """What a token with a list of scopes must have; without one here only tokens without a list will do."""
    counted: bool = True
    """Whether it counts against the limits, of the address when it is public."""
    within_plan: bool = True
    """Whether it is refused when the month's calls are used up."""
    problems: tuple[int, ...] = ()
    """Statuses of errors beside those that follow from the declaration."""
    request_headers: tuple[str, ...] = field(default=())


AnyEndpoint = Endpoint[Any, Any]
NOBODY = Identity(user_id="", organization_id="", role="", tier="", session_id="", expires_at=0.0)


class Desk:
    """Takes requests in: credential, limits, scope, ids, parameters and body, in this order; then the handler."""

    def __init__(self, credentials: Credentials, admission: Admission, json_body_bytes: int) -> None:
        self._credentials = credentials
        self._admission = admission
        self._json_body_bytes = json_body_bytes

    async def serve(self, endpoint: AnyEndpoint, request: Request) -> Response:
        """The answer. Raises a PagemeshError."""
        caller = await self._admitted(endpoint, request)
        ids = _ids(request.path_params)
        query = read_query(request.query_params, endpoint.query)
        body: BaseModel = NoBody()
        if endpoint.body is not NoBody:
            body = await read_json(request, endpoint.body, self._json_body_bytes)
        return await endpoint.handler(Call(request, body, query, caller, ids))

    async def _admitted(self, endpoint: AnyEndpoint, request: Request) -> Identity:
        caller = NOBODY
        if not endpoint.public:
            caller = await self._credentials.identify(request.headers)
            await self._admission.admit(request.scope, caller, endpoint.within_plan)
            scopes.require(caller, endpoint.scope)  # services ask for it too, but not every answer needs a service
        elif endpoint.counted:
            await self._admission.admit_address(request.scope)
        return caller

    def routes(self, endpoints: Iterable[AnyEndpoint]) -> list[Route]:
        """One route a path, so that a wrong method is answered with every right one."""
        ordered = sorted(endpoints, key=lambda endpoint: ("{" in endpoint.path, endpoint.path))
        return [self._route(path, list(group)) for path, group in groupby(ordered, key=lambda one: one.path)]

    def _route(self, path: str, group: list[AnyEndpoint]) -> Route:
        by_method = {endpoint.method: endpoint for endpoint in group}
        if "GET" in by_method:
            by_method["HEAD"] = by_method["GET"]
        allowed = ", ".join(sorted(by_method))

        async def dispatch(request: Request) -> Response:
            request.scope[ROUTE] = path
            endpoint = by_method.get(request.method)
            if endpoint is None:
                raise HTTPException(405, f"This takes {allowed}.", {"allow": allowed})
            return await self.serve(endpoint, request)

        route = Route(path, dispatch)
        route.methods = set()  # all of them: `dispatch` refuses in our form
        return route


def get(
    path: str,
    handler: Callable[[Call[NoBody, Q]], Awaitable[Response]],
    summary: str,
    answers: Mapping[int, Answer],
    query: type[Q] = NoQuery,  # type: ignore[assignment]  # a default narrows the type variable only where it is used
    **more: Any,
) -> AnyEndpoint:
    """An endpoint that reads no body."""
    return Endpoint("GET", path, handler, summary, answers, NoBody, query, **more)


def post(
    path: str,
    handler: Callable[[Call[B, NoQuery]], Awaitable[Response]],
    summary: str,
    answers: Mapping[int, Answer],
    body: type[B],
    **more: Any,
) -> AnyEndpoint:
    """An endpoint that reads a body and no parameters."""
    return Endpoint("POST", path, handler, summary, answers, body, NoQuery, **more)


def put(
    path: str,
    handler: Callable[[Call[B, NoQuery]], Awaitable[Response]],
    summary: str,
    answers: Mapping[int, Answer],
    body: type[B],
    **more: Any,
) -> AnyEndpoint:
    """An endpoint that changes what is there."""
    return Endpoint("PUT", path, handler, summary, answers, body, NoQuery, **more)


def patch(
    path: str,
    handler: Callable[[Call[B, NoQuery]], Awaitable[Response]],
    summary: str,
    answers: Mapping[int, Answer],
    body: type[B],
    **more: Any,
) -> AnyEndpoint:
    """An endpoint that changes a part of what is there."""
    return Endpoint("PATCH", path, handler, summary, answers, body, NoQuery, **more)


def delete(
    path: str,
    handler: Callable[[Call[NoBody, NoQuery]], Awaitable[Response]],
    summary: str,
    answers: Mapping[int, Answer],
    **more: Any,
) -> AnyEndpoint:
    """An endpoint that deletes."""
    return Endpoint("DELETE", path, handler, summary, answers, NoBody, NoQuery, **more)


def _ids(path_params: Mapping[str, Any]) -> dict[str, str]:
    ids = {name: str(value).lower() for name, value in path_params.items()}
    if not all(_UUID.fullmatch(value) for value in ids.values()):
        raise NOT_FOUND
    return ids
