"""What belongs to the request in hand, wherever it goes: its id, its trace and its caller's token."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
traceparent: ContextVar[str] = ContextVar("traceparent", default="")
bearer_token: ContextVar[str] = ContextVar("bearer_token", default="")

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"
AUTHORIZATION_KEY = "authorization"

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@contextmanager
def bearing(token: str) -> Iterator[None]:
    """Calls within the block are made with this token."""
    before = bearer_token.set(token)
    try:
        yield
    finally:
        bearer_token.reset(before)


def accept_request_id(offered: str | None) -> str:
    """The offered request id where it is usable (1 to 128 printable ASCII characters, no blanks), else a new one."""
    if offered and _REQUEST_ID.fullmatch(offered):
        return offered
    return _hex(128)


def accept_traceparent(offered: str | None) -> str:
    """The offered W3C trace context where it is well formed, else a new sampled root.

    Source: W3C Trace Context, section 3.2.2.
    """
    if offered and _TRACEPARENT.fullmatch(offered):
        return offered
    return f"00-{_hex(128)}-{_hex(64)}-01"


def _hex(bits: int) -> str:
    """Ids must differ, not be secret: a system call for each would be a tenth of what a warm poll costs."""
    return f"{random.getrandbits(bits):0{bits // 4}x}"


def outgoing_headers() -> dict[str, str]:
    """Headers that carry the request on to the next service or message; no credential."""
    pairs = ((REQUEST_ID_KEY, request_id.get()), (TRACEPARENT_KEY, traceparent.get()))
    return {key: value for key, value in pairs if value}


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """gRPC metadata that carries the request and its caller's token on to the next service."""
    pairs = list(outgoing_headers().items())
    if token := bearer_token.get():
        pairs.append((AUTHORIZATION_KEY, f"Bearer {token}"))
    return tuple(pairs)
