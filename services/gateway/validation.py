"""Reading requests: JSON bodies and query parameters against the published models."""

import re
from datetime import date
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from starlette.requests import Request

from mesh.errors import InvalidArgument, PagemeshError
from services.gateway.problems import invalid

# PostgreSQL's text holds every character but U+0000.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
M = TypeVar("M", bound=BaseModel)
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")
_MOST_PARAMETERS = 64


def _whole(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("Input should be a whole number")
    return value


def _flag(value: object) -> object:
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("Input should be true or false")
    return value


def _day(value: object) -> object:
    if isinstance(value, str) and not _DATE.fullmatch(value):
        raise ValueError("Input should be a date, YYYY-MM-DD")
    return value


def _integer(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# In JSON 1.0 is the integer 1: JSON Schema 2020-12, section 4.2.3. Limits have to stand before this, or their schema
# does not tell them where null is allowed too.
AsInteger = BeforeValidator(_integer)
# Values that come as text, in a query or a form: in the one spelling that JSON has for them.
AsWholeNumber = BeforeValidator(_whole)
WholeNumber = Annotated[int, AsWholeNumber]
Flag = Annotated[bool, BeforeValidator(_flag)]
Day = Annotated[date, BeforeValidator(_day)]


class Body(BaseModel):
    """A JSON body: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters, converted from text; nothing unknown, nothing twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoBody(Body):
    """For endpoints that read no body."""


class NoQuery(Query):
    """For endpoints that read no parameters."""


class LooseQuery(NoQuery):
    """For endpoints where parameters that nobody declared are let pass: pages, and what others' standards call so."""

    model_config = ConfigDict(extra="ignore")


async def read_json(request: Request, limit: int) -> bytes:
    """The body as it was sent. Raises InvalidArgument: too large, or not said to be JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidArgument("The body must be application/json.", "UNSUPPORTED_MEDIA_TYPE")
    return await read_body(request, limit)


def parse_json(raw: bytes, model: type[M]) -> M:
    """The body as a model. Raises InvalidArgument: not JSON, or wrong fields."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument("The body is no JSON.", "INVALID_JSON") from error
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise wrong_fields(error) from error


def read_query(raw: bytes, model: type[M]) -> M:
    """The query, as it was sent, as a model. Raises InvalidArgument."""
    is_loose = model.model_config.get("extra") == "ignore"
    try:
        return model.model_validate(_parameters(raw, is_loose))
    except ValidationError as error:
        raise wrong_fields(error) from error


def _parameters(raw: bytes, is_loose: bool) -> dict[str, str]:
    """Parameters by name, percent-decoded; where the query is loose, bad ones are let pass and the last counts."""
    if not is_loose and _BROKEN_PERCENT.search(raw):
        raise invalid({"query": "Not percent-encoded"})
    try:
        errors = "replace" if is_loose else "strict"
        pairs = parse_qsl(raw.decode("latin-1"), True, errors=errors, max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError as error:
        raise invalid({"query": "Not UTF-8"}) from error
    except ValueError as error:
        raise invalid({"query": f"More than {_MOST_PARAMETERS} parameters"}) from error
    parameters = dict(pairs)
    if not is_loose and len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        raise invalid({name: "Given twice" for name in parameters if names.count(name) > 1})
    return parameters


def wrong_fields(error: ValidationError, within: str = "") -> PagemeshError:
    """One entry for each field that is wrong, of the object of that name when it is inside another."""
    details: dict[str, str] = {}
    for entry in error.errors(include_url=False, include_context=False, include_input=False):
        name = _name((*filter(None, [within]), *entry["loc"]))
        details.setdefault(name, entry["msg"].removeprefix("Value error, "))
    return invalid(details)


def _name(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises InvalidArgument (BODY_TOO_LARGE) as soon as it is, or says that it is, larger than that."""
    refusal = InvalidArgument(f"The body is larger than {limit} bytes.", "BODY_TOO_LARGE")
    if declared_length(request) > limit:  # before anything is read: whoever expects "100 Continue" sends nothing
        raise refusal
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > limit:
            raise refusal
    return bytes(raw)


def declared_length(request: Request) -> int:
    """How long the body is, as the request says; 0 when it does not."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
