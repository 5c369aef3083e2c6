"""Reading requests: JSON bodies and query parameters against the published models."""

from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from mesh.errors import InvalidArgument, PagemeshError
from services.gateway.problems import invalid

# PostgreSQL's text holds every character but U+0000.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """A JSON body: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Query parameters, converted from text; parameters that nobody declared are let pass."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NoBody(Body):
    """For endpoints that read no body."""


class NoQuery(Query):
    """For endpoints that read no parameters."""


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


def read_query(parameters: QueryParams, model: type[M]) -> M:
    """The query parameters as a model; of a repeated one the last counts. Raises InvalidArgument."""
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        raise wrong_fields(error) from error


def wrong_fields(error: ValidationError, within: str = "") -> PagemeshError:
    """One entry for each field that is wrong, of the object of that name when it is inside another."""
    details: dict[str, str] = {}
    for entry in error.errors(include_url=False, include_context=False, include_input=False):
        details.setdefault(_name((*filter(None, [within]), *entry["loc"])), entry["msg"])
    return invalid(details)


def _name(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises InvalidArgument (BODY_TOO_LARGE) as soon as it is larger than so many bytes."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > limit:
            raise InvalidArgument(f"The body is larger than {limit} bytes.", "BODY_TOO_LARGE")
    return bytes(raw)
