"""Multipart forms (RFC 7578), read piece by piece as they come in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from mesh.errors import InvalidArgument

if TYPE_CHECKING:  # only type checkers see it there
    from python_multipart.multipart import MultipartCallbacks

_MOST_PARTS = 64


@dataclass(frozen=True, slots=True)
class PartBegan:
    """A new part; `filename` is None for plain fields."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """More bytes of the part that began last."""

    content: bytes


@dataclass(frozen=True, slots=True)
class FormEnded:
    """The closing boundary was there: the form is whole."""


FormEvent = PartBegan | PartData | FormEnded


class _Parser:
    """Turns bytes into events."""

    def __init__(self, boundary: bytes) -> None:
        self.events: list[FormEvent] = []
        self._parts = 0
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_began,
            "on_part_data": self._data,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value_piece,
            "on_header_end": self._header_ended,
            "on_headers_finished": self._headers_ended,
            "on_end": self._ended,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def feed(self, piece: bytes) -> list[FormEvent]:
        """The events of the next bytes. Raises InvalidArgument."""
        self.events = []
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _broken("The form is not well-formed multipart/form-data.") from error
        return self.events

    def _part_began(self) -> None:
        self._disposition = b""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _broken(f"The form has more than {_MOST_PARTS} parts.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_piece(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ended(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _headers_ended(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        if kind != b"form-data" or b"name" not in options:
            raise _broken("A part has no name.")
        filename = options.get(b"filename")
        self.events.append(PartBegan(_text(options[b"name"]), None if filename is None else _text(filename)))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(PartData(bytes(data[start:end])))

    def _ended(self) -> None:
        self.events.append(FormEnded())


def is_form(request: Request) -> bool:
    """Whether the request says that it holds a form."""
    return parse_options_header(request.headers.get("content-type"))[0] == b"multipart/form-data"


async def form_events(request: Request) -> AsyncIterator[FormEvent]:
    """What the form holds, in order; the last event is FormEnded. Raises InvalidArgument, ClientDisconnect."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise InvalidArgument("The body must be multipart/form-data.", "UNSUPPORTED_MEDIA_TYPE")
    parser = _opened(options.get(b"boundary", b""))
    ended = False
    async for piece in request.stream():
        for event in parser.feed(piece):
            ended = ended or isinstance(event, FormEnded)
            if not ended:
                yield event
    if not ended:
        raise _broken("The form ends before its closing boundary.")
    yield FormEnded()


def _opened(boundary: bytes) -> _Parser:
    if not boundary:
        raise _broken("The Content-Type names no boundary.")
    try:
        return _Parser(boundary)
    except FormParserError as error:
        raise _broken("The boundary is too long.") from error


def _text(raw: bytes) -> str:
    # Browsers send UTF-8; older programs what their system has.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _broken(message: str) -> InvalidArgument:
    return InvalidArgument(message, "INVALID_REQUEST")
