"""What schemathesis does to its requests here; it imports this itself, by `SCHEMATHESIS_HOOKS`."""

import uuid
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

_KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], **kwargs: object) -> None:
    """Every request is another, and a good key belongs to one request alone."""
    headers: Any = case.headers or {}
    key = headers.get(_KEY)
    if isinstance(key, str) and key.isascii() and key.isprintable() and 0 < len(key) <= 255:
        headers[_KEY] = uuid.uuid4().hex


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leaves out forms with an empty field: it counts as absent, as browsers send it, whatever its schema says."""
    is_form = case.media_type == "multipart/form-data"
    return not (is_form and isinstance(case.body, dict) and "" in case.body.values())
