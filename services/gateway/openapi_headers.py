"""Headers as OpenAPI documents describe them: each once, referred to by name."""

from typing import Any

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 0}
_DESCRIPTIONS = {
    "API-Version": "Version of the surface that answers.",
    "Content-Range": "Which bytes these are, of how many.",
    "ETag": "Strong entity tag.",
    "Idempotency-Key": "1 to 255 printable ASCII characters. For 24 hours the same request with the same key is not "
    "carried out again but answered as it was the first time, with `Idempotency-Replayed: true`.",
    "Idempotency-Replayed": "`true` when this is the first answer again.",
    "If-None-Match": "Answers 304 while the entity tag is still the same.",
    "If-Range": "Answers the range only if the entity tag is still the same.",
    "Last-Event-ID": "The last event that was seen.",
    "Link": "First, previous, next and last page (RFC 8288).",
    "Location": "Where the status is.",
    "Prefer": "`wait=N` (RFC 7240): holds the answer until the state changes or N seconds, at most 60, have passed.",
    "Preference-Applied": "The preference that was honoured.",
    "RateLimit": "What each window has left, `r`, and when it ends, `t` seconds from now"
    " (draft-ietf-httpapi-ratelimit-headers).",
    "RateLimit-Policy": "How many requests, `q`, each window of `w` seconds takes.",
    "Range": "One range of bytes.",
    "Retry-After": "Seconds until it is worth asking again.",
    "WWW-Authenticate": "Which credential is needed (RFC 6750).",
    "X-RateLimit-Limit": "Requests that the tightest window takes.",
    "X-RateLimit-Remaining": "Requests that it has left.",
    "X-RateLimit-Reset": "When it ends, in Unix time.",
    "X-Request-ID": "The request's id: as sent (at most 128 printable ASCII characters), else a new one.",
}
_SCHEMAS = {
    "Retry-After": _WHOLE,
    "X-RateLimit-Limit": _WHOLE,
    "X-RateLimit-Remaining": _WHOLE,
    "X-RateLimit-Reset": _WHOLE,
    "Idempotency-Replayed": {"type": "string", "const": "true"},
}
_OF_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
EVERYWHERE = ("API-Version", "X-Request-ID")
COUNTED = ("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def description(name: str) -> str:
    """What a header says."""
    return _DESCRIPTIONS[name]


def components() -> dict[str, Any]:
    """All of them, for `components.headers`."""
    return {
        name: {"description": text, "schema": _SCHEMAS.get(name, _TEXT)} for name, text in sorted(_DESCRIPTIONS.items())
    }


def referred(status: int, *names: str) -> dict[str, Any]:
    """The headers of an answer: those named, those of its status, and those that all have."""
    told = dict.fromkeys((*names, *_OF_STATUS.get(status, ()), *EVERYWHERE))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in told}
