"""The one form of errors: `{"error", "message", "details"?}` with its status and headers.

Source: contract/conventions.md, "Errors".
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mesh import errors

log = logging.getLogger(__name__)

RETRY_SECONDS = 1
VALIDATION = "VALIDATION_ERROR"

_STATUS: dict[type[errors.PagemeshError], int] = {
    errors.InvalidArgument: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.IllegalState: 409,
    errors.TooMuch: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 503,
    errors.Internal: 500,
}
# Reasons whose status differs from that of their class, and the field that each blames.
_REASON_STATUS = {
    "FILE_TOO_LARGE": 413,
    "INVALID_FILE_TYPE": 400,
    "EMPTY_FILE": 400,
    "EXPIRED": 410,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RANGE_NOT_SATISFIABLE": 416,
    VALIDATION: 422,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "ADDRESS_NOT_ALLOWED": 422,
}
_BLAMED_FIELD = {
    "WEAK_PASSWORD": "password",
    "LANGUAGE_MISSING": "languages",
    "UNKNOWN_ANALYSIS_TYPE": "analysis_type",
    "INVALID_OUTPUT_SCHEMA": "options.output_schema",
    "OUTPUT_SCHEMA_UNSUPPORTED": "options.output_schema",
}
_FOR_HEADERS = ("challenge", "retry_after", "content_range")
# One body for everything that is not there, so that somebody else's looks like nothing at all.
_DEFECT = errors.Internal("Something went wrong on our side.")
NOT_FOUND = errors.NotFound("There is no such thing.")


def invalid(details: Mapping[str, str]) -> errors.InvalidArgument:
    """The error of a request whose fields are wrong: field → what is wrong with it."""
    return _blaming("Some fields are not valid.", VALIDATION, details)


def _blaming(message: str, reason: str, details: Mapping[str, str]) -> errors.InvalidArgument:
    error = errors.InvalidArgument(message, reason)
    error.details = dict(details)  # not as keyword arguments: clients name fields as they like, "message" for one
    return error


def body(code: str, message: str, details: Mapping[str, str] | None = None, retry_after: str | None = None) -> bytes:
    """The JSON of an error; `retry_after` in seconds."""
    answer: dict[str, object] = {"error": code, "message": message}
    if retry_after is not None:
        answer["retry_after"] = int(retry_after)
    if details:
        answer["details"] = dict(details)
    return orjson.dumps(answer)


def response(error: errors.PagemeshError) -> Response:
    """The answer that tells the error."""
    error = _worded(error)
    status = status_of(error)
    details = {key: value for key, value in error.details.items() if key not in _FOR_HEADERS} if status < 500 else {}
    retry_after = error.details.get("retry_after") if status == HTTPStatus.TOO_MANY_REQUESTS else None
    content = body(error.code, error.message, details, retry_after)
    return Response(content, status, _headers(error, status), "application/json")


def status_of(error: errors.PagemeshError) -> int:
    """The HTTP status of an error."""
    return _REASON_STATUS.get(error.reason) or _STATUS.get(type(error), 500)


def _worded(error: errors.PagemeshError) -> errors.PagemeshError:
    if field := _BLAMED_FIELD.get(error.reason):
        return invalid({field: error.message})
    if error.reason == "INVALID_ARGUMENT" and "field" in error.details:
        return invalid({error.details["field"]: error.message})
    if error.reason == "ADDRESS_NOT_ALLOWED" and "field" in error.details:
        return _blaming(error.message, error.reason, {error.details["field"]: error.message})
    if isinstance(error, errors.NotFound) and error.reason == "NOT_FOUND":
        return NOT_FOUND
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _DEFECT
    return error


def _headers(error: errors.PagemeshError, status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": error.details.get("challenge", 'Bearer realm="pagemesh"')}
    if error.reason == "INSUFFICIENT_SCOPE":  # RFC 6750 section 3.1
        scope = error.details["scope"]
        return {"www-authenticate": f'Bearer realm="pagemesh", error="insufficient_scope", scope="{scope}"'}
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return {"content-range": error.details["content_range"]}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS) or "retry_after" in error.details:
        return {"retry-after": error.details.get("retry_after", str(RETRY_SECONDS))}
    return {}


async def on_error(request: Request, error: Exception) -> Response:
    """Starlette's handler of our errors."""
    assert isinstance(error, errors.PagemeshError)
    if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", extra={"path": request.url.path, "reason": error.reason, "error": error.message})
    return response(error)


async def on_http(request: Request, error: Exception) -> Response:
    """Starlette's handler of the router's own errors: unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return response(NOT_FOUND)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return Response(body(code, error.detail), error.status_code, error.headers, "application/json")


async def on_defect(request: Request, error: Exception) -> Response:
    """Starlette's handler of everything else: tells nothing of the inside."""
    return response(_DEFECT)


async def on_disconnect(request: Request, error: Exception) -> Response:
    """Nobody is there to read this."""
    assert isinstance(error, ClientDisconnect)
    return Response(status_code=HTTPStatus.BAD_REQUEST)
