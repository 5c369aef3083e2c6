"""What schemathesis does to its requests here; it imports this itself, by `SCHEMATHESIS_HOOKS`."""

import json
import os
import uuid
from collections.abc import Callable
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from mesh import json_schema
from services.gateway.surfaces.platform.models import NEED_PROMPT
from tests.support.documents import text_pdf

RECEIVER = "PAGEMESH_TEST_RECEIVER"
"""Variable of the environment with a URL that may be called."""
_KEY = "Idempotency-Key"
_PDF = "".join(chr(byte) if byte < 128 else "?" for byte in text_pdf())  # what is binary is never looked at again


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], **kwargs: object) -> None:
    """Every request is another, a good key belongs to one request alone, and good data are good in all respects."""
    headers: Any = case.headers or {}
    key = headers.get(_KEY)
    if isinstance(key, str) and key.isascii() and key.isprintable() and 0 < len(key) <= 255:
        headers[_KEY] = uuid.uuid4().hex
    if case.meta is not None and case.meta.generation.mode.is_positive:
        _better(case)


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leaves out bad forms with an empty field: it counts as absent, as browsers send it, whatever its schema says."""
    is_bad_form = case.media_type == "multipart/form-data" and not (case.meta and case.meta.generation.mode.is_positive)
    return not (is_bad_form and isinstance(case.body, dict) and "" in case.body.values())


def _better(case: Case[Any]) -> None:
    """Makes data that follow the schema follow the rules that no schema tells, too."""
    headers: Any = case.headers or {}
    is_zero_log = str(headers.get("X-Zero-Log", "")).lower() in ("true", "1")
    if not is_zero_log:  # seconds belong to this wish
        headers.pop("X-Zero-Log-TTL", None)
    if "Range" in headers:  # of a document as long as it is
        headers["Range"] = "bytes=0-9"
    days = ("start_date", "end_date")
    if case.query and all(isinstance(case.query.get(day), str) for day in days):
        case.query |= dict(zip(days, sorted(case.query[day] for day in days), strict=True))
    if isinstance(case.body, dict):
        body = _told(case.body)
        if case.media_type == "multipart/form-data":
            body = {name: value for name, value in body.items() if value != ""} | {"file": _PDF}
        named = case.path_parameters or {}
        if "name" in named:  # it stands in the path
            body.pop("name", None)
        case.body = _of_one_mind(body, is_zero_log)


def _told(value: Any, name: str = "") -> Any:
    if name in _BETTER and value is not None:
        return _BETTER[name](value)
    if isinstance(value, dict):
        return {inner: _told(each, inner) for inner, each in value.items()}
    return [_told(each) for each in value] if isinstance(value, list) else value


def _of_one_mind(body: dict[str, Any], is_zero_log: bool) -> dict[str, Any]:
    """A body whose fields do not contradict one another."""
    if body.get("template") is not None:  # has a kind and a form of its own
        body.pop("analysis_type", None)
        if isinstance(body.get("options"), dict):
            body["options"].pop("output_schema", None)
    if body.get("analysis_type") in NEED_PROMPT and not body.get("prompt"):
        body["prompt"] = "What was the revenue?"
    if body.get("ttl_seconds") is not None:
        body["ttl_seconds"] = max(60, int(body["ttl_seconds"])) if is_zero_log else None
    return {name: value for name, value in body.items() if name != "ttl_seconds" or value is not None}


def _schema(given: Any) -> Any:
    try:
        json_schema.check(given)
    except json_schema.BadSchema:
        return {"type": "object"}
    return {"type": "object"} if r"\u0000" in json.dumps(given) else given


def _variables(given: Any) -> Any:
    """Declarations, each name once; no values, since nobody knows what is declared."""
    return list({one["name"]: one for one in given}.values()) if isinstance(given, list) else {}


def _url(given: Any) -> str:
    return os.environ[RECEIVER]


_BETTER: dict[str, Callable[[Any], Any]] = {
    "callback_url": _url,
    "config": lambda given: _told(given) if isinstance(given, dict) else "{}",
    "email": lambda _: f"{uuid.uuid4().hex}@example.org",
    "expires_at": lambda _: "2100-01-01T00:00:00Z",
    "instructions": lambda given: given.replace("{", "("),
    "languages": lambda _: "eng",
    "options": lambda given: _told(given) if isinstance(given, dict) else "{}",
    "output_schema": _schema,
    "password": lambda given: f"{given[:200]}{uuid.uuid4().hex}",
    "template": lambda _: "summary",
    "url": _url,
    "variables": _variables,
    "zero_log": lambda _: False,  # of the organization: nothing that follows would be recorded
}
"""Of fields that must be more than their schemas can say: not over, not easy to guess, not of a network of ours, …"""
