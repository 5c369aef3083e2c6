"""The opening of a live connection: whose it is, by what it brings, and whether a browser's page may open it.

Browsers cannot set headers on a WebSocket, so the credential may come in the query or as a subprotocol too.
Sources: RFC 6455 sections 1.9, 4.2.2 and 10.2; contract/platform-v1.md, "Live updates".
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

_MARKERS = frozenset({"bearer", "access_token", "authorization", "token"})
"""Subprotocols after which the credential comes."""
_PREFIX = "bearer."
"""Of a subprotocol that is the credential but for this."""


def credential(scope: Scope) -> str:
    """The access token or API key that a connection brings, from the first place that has one; empty without one."""
    headers = Headers(scope=scope)
    return _of_query(scope) or _of_headers(headers) or _of_subprotocols(scope.get("subprotocols", ()))


def subprotocol(offered: Sequence[str]) -> str | None:
    """The one to answer with: a client that offers any fails without one of them. A name rather than the secret."""
    if not offered:
        return None
    secret = next((name for name in offered if _of_subprotocols(offered) in (name, name[len(_PREFIX) :])), None)
    return next((name for name in offered if name != secret), secret)


def may_open(scope: Scope, origins: Collection[str]) -> bool:
    """Whether the page that opens it may: any program that is no browser, our own pages, and those of the origins."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or "*" in origins or origin in origins:
        return True
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _of_query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("token", [""])[0].strip()


def _of_headers(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "").strip()


def _of_subprotocols(offered: Sequence[str]) -> str:
    for marker, secret in pairwise(offered):
        if marker.lower() in _MARKERS:
            return secret
    prefixed = (name[len(_PREFIX) :] for name in offered if name.lower().startswith(_PREFIX))
    return next(prefixed, offered[-1] if offered else "")
