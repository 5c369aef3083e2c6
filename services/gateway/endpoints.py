"""Endpoints as declarations: what they read, what they answer, who serves them.

Routes and the OpenAPI document both come from here, so that neither can promise what the other does not keep.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mesh import scopes
from mesh.identity import Identity
from services.gateway import zero_log
from services.gateway.admission import Admission
from services.gateway.credentials import Credentials
from services.gateway.dry_runs import DryRun, Estimate, Valid, valid
from services.gateway.fingerprints import Fingerprint
from services.gateway.forms import FormEvent, form_events, is_form
from services.gateway.held import HeldResponse
from services.gateway.idempotency import Claim, Earlier, Idempotency, Origin, read_key, reused
from services.gateway.problems import NOT_FOUND
from services.gateway.traffic import ROUTE
from services.gateway.validation import NoBody, NoQuery, parse_json, read_json, read_query
from services.gateway.zero_log import ZeroLog

B = TypeVar("B", bound=BaseModel)
Q = TypeVar("Q", bound=BaseModel)

NAMES = frozenset({"provider", "name"})
"""Path parameters that hold names; all others hold UUIDs."""
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
    origin: Origin = field(default_factory=Origin)
    """Gives new things their ids."""
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    zero_log: ZeroLog | None = None
    """Set for requests of which nothing may leave memory, at endpoints that take such."""

    @property
    def is_form(self) -> bool:
        """Whether a multipart form comes with it."""
        return is_form(self.request)

    def form(self) -> AsyncIterator[FormEvent]:
        """What the multipart form holds. Raises InvalidArgument, ClientDisconnect."""
        return self.fingerprint.following(form_events(self.request))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint may answer: a JSON type, another media type, or nothing."""

    description: str
    json: Any = None
    media_types: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keyed:
    """That an endpoint takes an `Idempotency-Key`, and whose the key is: the caller's organization's, if not said."""

    secret: bool = False
    """The answer holds a secret: nobody but the same caller, with the same rights, is given it again."""
    owner: Callable[[Any], str] | None = None
    """Whose it is at a public endpoint, by what the body says."""


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
    body_bytes: int | None = None
    """The largest JSON body, where that is not the usual."""
    form: type[BaseModel] | None = None
    """Fields of a multipart form with a `file`; the handler reads it. With a `body` clients choose what they send."""
    urlencoded: type[BaseModel] | None = None
    """Parameters of a form without files; the handler reads it."""
    public: bool = False
    scope: str = scopes.ACCOUNT
    """What a token with a list of scopes must have; without one here only tokens without a list will do."""
    keyed: Keyed | None = None
    """Set where a repeat is answered as the first request was."""
    estimate: Callable[[Call[B, Q]], Awaitable[Estimate]] | None = None
    """Set where `?dry_run=true` has the call validated and estimated instead of carried out."""
    zero_log: Callable[[Any], Awaitable[ZeroLog | None]] | None = None
    """Set where work can be kept in memory alone, or that is refused: whether it is, of the call."""
    always_recorded: bool = False
    """Whether `zero_log` does nothing but refuse, so that documents do not offer it."""
    counted: bool = True
    """Whether it counts against the limits, of the address when it is public."""
    within_plan: bool = True
    """Whether it is refused when the month's calls are used up."""
    problems: tuple[int, ...] = ()
    """Statuses of errors beside those that follow from the declaration."""
    request_headers: tuple[str, ...] = field(default=())
    standalone: bool = False
    """It needs nothing but this gateway, and so is never away."""
    listed: bool = True
    """Whether OpenAPI documents name it; what only a page of ours asks for is left out."""

    def __post_init__(self) -> None:
        """An endpoint with an estimate takes `dry_run` and may answer 200."""
        if self.estimate is None:
            return
        query = DryRun if self.query is NoQuery else self.query
        assert issubclass(query, DryRun), f"the query of {self.path} must derive from DryRun"
        object.__setattr__(self, "query", query)
        object.__setattr__(self, "answers", {200: Answer("A dry run: nothing was started.", Valid), **self.answers})


AnyEndpoint = Endpoint[Any, Any]
NOBODY = Identity(user_id="", organization_id="", role="", tier="", session_id="", expires_at=0.0)


class Desk:
    """Takes requests in: credential, limits, scope, ids, parameters, body and key, in this order; then the handler."""

    def __init__(
        self, credentials: Credentials, admission: Admission, idempotency: Idempotency, json_body_bytes: int
    ) -> None:
        self._credentials = credentials
        self._admission = admission
        self._idempotency = idempotency
        self._json_body_bytes = json_body_bytes

    async def serve(self, endpoint: AnyEndpoint, request: Request) -> Response:
        """The answer. Raises a PagemeshError."""
        caller = await self._admitted(endpoint, request)
        if endpoint.zero_log is not None and zero_log.asks(request.headers):
            zero_log.mark(request.scope)  # whatever comes of it, an error too
        ids = _ids(request.path_params)
        query = read_query(request.scope["query_string"], endpoint.query)
        raw, body = b"", NoBody()
        if endpoint.body is not NoBody and not (endpoint.form and is_form(request)):
            raw = await read_json(request, endpoint.body_bytes or self._json_body_bytes)
            body = parse_json(raw, endpoint.body)
        call = Call(request, body, query, caller, ids)
        if endpoint.zero_log is not None:
            call = replace(call, zero_log=await endpoint.zero_log(call))
        if call.zero_log is not None and call.zero_log.is_asked:
            zero_log.mark(request.scope)
        key = read_key(request.headers) if endpoint.keyed else None
        if endpoint.estimate is not None and query.dry_run:
            return valid(await endpoint.estimate(call))  # never remembered: it made nothing
        return await (endpoint.handler(call) if key is None else self._once(endpoint, call, key, raw))

    async def _once(self, endpoint: AnyEndpoint, call: Call[Any, Any], key: str, raw: bytes) -> Response:
        scopes.require(call.identity, endpoint.scope)  # a replay asks no service
        fingerprint = Fingerprint(*_counting(endpoint, call))
        has_form = endpoint.form is not None and (endpoint.body is NoBody or call.is_form)
        if not has_form:
            fingerprint.take_body(raw)
        begun = await self._idempotency.begin(
            _claim(endpoint, call, key), b"" if has_form else fingerprint.digest(), call.zero_log
        )
        if isinstance(begun, Earlier):
            if has_form:
                await _read_again(call, fingerprint, begun.content_bytes)
            return begun.replay(fingerprint.digest())
        keyed = replace(call, origin=begun.origin, fingerprint=fingerprint)
        return await begun.run(
            lambda: endpoint.handler(keyed), lambda: (fingerprint.digest(), fingerprint.content_bytes)
        )

    async def _admitted(self, endpoint: AnyEndpoint, request: Request) -> Identity:
        caller = NOBODY
        if not endpoint.public:
            caller = await self._credentials.identify(request.headers)
            caller = await self._admission.admit(request.scope, caller, endpoint.within_plan)
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
        allowed = ", ".join(sorted((*by_method, "OPTIONS")))

        async def dispatch(request: Request) -> Response:
            request.scope[ROUTE] = path
            endpoint = by_method.get(request.method)
            if request.method == "OPTIONS":  # RFC 9110, section 9.3.7; preflights are answered before they come here
                return Response(status_code=204, headers={"allow": allowed})
            if endpoint is None:
                raise HTTPException(405, f"This takes {allowed}.", {"allow": allowed})
            response = await self.serve(endpoint, request)
            return await _head(response) if request.method == "HEAD" else response

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


async def _head(response: Response) -> Response:
    """The answer without its body, whose making, where it is made piece by piece, ends here."""
    if isinstance(response, HeldResponse):
        return response.head or response
    if not isinstance(response, StreamingResponse):
        return response
    if isinstance(response.body_iterator, AsyncGenerator):
        await response.body_iterator.aclose()
    head = Response(status_code=response.status_code)
    head.raw_headers = response.raw_headers
    return head


def _ids(path_params: Mapping[str, Any]) -> dict[str, str]:
    ids = {name: str(value).lower() for name, value in path_params.items() if name not in NAMES}
    if not all(_UUID.fullmatch(value) for value in ids.values()):
        raise NOT_FOUND
    return ids


def _claim(endpoint: AnyEndpoint, call: Call[Any, Any], key: str) -> Claim:
    where = f"{endpoint.method} {endpoint.path.format_map(call.ids)}"
    if endpoint.keyed is not None and endpoint.keyed.owner is not None:
        return Claim("public", (where, endpoint.keyed.owner(call.body)), key)
    return Claim(call.identity.organization_id, (where,), key)


def _counting(endpoint: AnyEndpoint, call: Call[Any, Any]) -> tuple[str, ...]:
    """What makes another request of it, beside the body."""
    caller = call.identity
    if endpoint.keyed is None or not endpoint.keyed.secret:
        return (call.request.url.query,)
    granted = "all" if caller.scopes is None else " ".join(sorted(caller.scopes))
    return (call.request.url.query, caller.user_id, caller.role, caller.key_id, granted)


async def _read_again(call: Call[Any, Any], fingerprint: Fingerprint, content_bytes: int) -> None:
    """Reads a form for its fingerprint alone. Raises InvalidArgument as soon as it is longer than the first was."""
    async for _ in fingerprint.following(form_events(call.request)):
        if fingerprint.content_bytes > content_bytes:
            raise reused()
