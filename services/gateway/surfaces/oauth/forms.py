"""What OAuth requests hold: a form, and the client's credentials in it or by HTTP Basic."""

import base64
import binascii
from typing import Annotated, Literal
from urllib.parse import parse_qsl, unquote_plus

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request

from mesh.errors import InvalidArgument, Unauthenticated
from pagemesh.auth.v1 import clients_pb2
from services.gateway.validation import read_body

_LARGEST = 16_384
_MEDIA_TYPE = "application/x-www-form-urlencoded"

Secret = Annotated[str, StringConstraints(max_length=500)]


class ClientForm(BaseModel):
    """What proves the client, unless HTTP Basic does."""

    model_config = ConfigDict(frozen=True)

    client_id: Secret | None = None
    client_secret: Secret | None = None


class TokenForm(ClientForm):
    """Asks for a token."""

    grant_type: Literal["client_credentials"]
    scope: str = Field(default="", description="Scopes with blanks between them; left out: all of the client's.")


class OneTokenForm(ClientForm):
    """Asks about a token, or to declare it dead."""

    token: str
    token_type_hint: str | None = None


async def read_form(request: Request) -> dict[str, str]:
    """The form's parameters, those without a value left out.

    Raises InvalidArgument (INVALID_REQUEST). Source: RFC 6749 section 3.2.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise invalid_request(f"The body must be {_MEDIA_TYPE}.")
    raw = await read_body(request, _LARGEST)
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError as error:
        raise invalid_request("The body is no form in UTF-8.") from error
    if len({name for name, _ in pairs}) != len(pairs):
        raise invalid_request("A parameter is there twice.")
    return {name: value for name, value in pairs if value}


def client_of(request: Request, form: dict[str, str]) -> clients_pb2.ClientCredentials:
    """What proves the client. Raises InvalidArgument, Unauthenticated (INVALID_CLIENT).

    Source: RFC 6749 section 2.3.1: one way at a time; in HTTP Basic both parts are percent-encoded.
    """
    header = request.headers.get("authorization")
    if header is not None:
        if "client_secret" in form:
            raise invalid_request("The client proves itself in two ways.")
        return _basic(header, form.get("client_id"))
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not client_id or not secret:
        raise _unknown_client()
    return clients_pb2.ClientCredentials(client_id=client_id, client_secret=secret)


def required(form: dict[str, str], name: str) -> str:
    """A parameter that must be there. Raises InvalidArgument (INVALID_REQUEST)."""
    if name not in form:
        raise invalid_request(f"{name} is missing.")
    return form[name]


def invalid_request(message: str) -> InvalidArgument:
    """The error of a request that is none."""
    return InvalidArgument(message, "INVALID_REQUEST")


def _basic(header: str, named: str | None) -> clients_pb2.ClientCredentials:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unknown_client() from error
    client_id, _, secret = (unquote_plus(part) for part in text.partition(":"))
    if not client_id or not secret:
        raise _unknown_client()
    if named is not None and named != client_id:
        raise invalid_request("The client has two ids.")
    return clients_pb2.ClientCredentials(client_id=client_id, client_secret=secret)


def _unknown_client() -> Unauthenticated:
    return Unauthenticated("The client is unknown, or its secret is wrong.", "INVALID_CLIENT")
