"""Handshakes: where credentials may stand, what is answered to subprotocols, and which pages may connect."""

import pytest
from starlette.types import Scope

from services.gateway.live.handshake import credential, may_open, subprotocol


def _scope(query: str = "", headers: dict[str, str] | None = None, offered: tuple[str, ...] = ()) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "websocket", "query_string": query.encode(), "headers": raw, "subprotocols": list(offered)}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (_scope(), ""),
        (_scope("token=a.b.c"), "a.b.c"),
        (_scope("x=1&token=pmk_1&token=pmk_2"), "pmk_1"),
        (_scope("token="), ""),
        (_scope(headers={"authorization": "bearer a.b.c"}), "a.b.c"),
        (_scope(headers={"authorization": "Basic a.b.c"}), ""),
        (_scope(headers={"x-api-key": "pmk_1"}), "pmk_1"),
        (_scope(offered=("bearer", "a.b.c")), "a.b.c"),
        (_scope(offered=("chat", "Bearer", "a.b.c", "more")), "a.b.c"),
        (_scope(offered=("access_token", "pmk_1")), "pmk_1"),
        (_scope(offered=("bearer.a.b.c",)), "a.b.c"),
        (_scope(offered=("a.b.c",)), "a.b.c"),
        (_scope("token=q", {"authorization": "Bearer h"}, ("bearer", "p")), "q"),
        (_scope("token=", {"authorization": "Bearer h"}, ("bearer", "p")), "h"),
    ],
)
def test_credential(scope: Scope, expected: str) -> None:
    """The first place that has a credential counts: query, header, subprotocol."""
    assert expected == credential(scope)


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ((), None),
        (("bearer", "a.b.c"), "bearer"),
        (("a.b.c",), "a.b.c"),
        (("bearer.a.b.c",), "bearer.a.b.c"),
        (("bearer.a.b.c", "json"), "json"),
        (("json",), "json"),
        (("json", "bearer", "a.b.c"), "json"),
    ],
)
def test_subprotocol(offered: tuple[str, ...], expected: str | None) -> None:
    """One of those offered is answered, and the credential only where nothing else was."""
    assert expected == subprotocol(offered)


@pytest.mark.parametrize(
    ("origin", "origins", "expected"),
    [
        (None, (), True),
        ("https://app.example", (), False),
        ("https://app.example", ("https://app.example",), True),
        ("https://app.example.evil", ("https://app.example",), False),
        ("https://evil.example", ("*",), True),
        ("https://api.example:8443", (), True),
        ("null", (), False),
        ("", (), False),
    ],
)
def test_origin(origin: str | None, origins: tuple[str, ...], expected: bool) -> None:
    """Programs may, pages of the API's own host, and those that are allowed."""
    headers = {"host": "API.example:8443"} | ({} if origin is None else {"origin": origin})
    assert expected is may_open(_scope(headers=headers), origins)
