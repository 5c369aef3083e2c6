"""What readers say: JSON objects with a `type`. What is none is answered with an error and does no harm."""

from collections.abc import Collection
from dataclasses import dataclass

import orjson

from services.gateway.live.updates import Channel

MESSAGE_BYTES = 16 << 10
"""Longer messages are refused unread."""
_CHANNELS = {channel.value: channel for channel in Channel}


class BadMessage(Exception):
    """A message that cannot be understood: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a sign of life."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Wants channels, beside those that it has."""

    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Does not want channels any more."""

    channels: tuple[Channel, ...]


Command = Ping | Subscribe | Unsubscribe


def parse(text: str | None) -> Command:
    """The command that a message holds; None is a binary one. Raises BadMessage."""
    if text is None:
        raise BadMessage("invalid_message", "Messages are JSON in text frames.")
    if len(text) > MESSAGE_BYTES:
        raise BadMessage("message_too_large", f"A message may have {MESSAGE_BYTES} characters at most.")
    message = _object(text)
    match message.get("type"):
        case "ping":
            return Ping()
        case "subscribe":
            return Subscribe(_channels(message.get("channels")))
        case "unsubscribe":
            return Unsubscribe(_channels(message.get("channels")))
        case str():
            raise BadMessage("unknown_type", "The type must be subscribe, unsubscribe or ping.")
        case _:
            raise BadMessage("invalid_message", "A message needs a type, which is a string.")


def error(code: str, message: str) -> bytes:
    """The answer to what was not understood or is not allowed."""
    return orjson.dumps({"type": "error", "error": code, "message": message})


def subscribed(channels: Collection[Channel]) -> bytes:
    """The answer to Subscribe: all channels that the reader has now."""
    return orjson.dumps({"type": "subscribed", "channels": _names(channels)})


def unsubscribed(channels: Collection[Channel], left: Collection[Channel]) -> bytes:
    """The answer to Unsubscribe: those that it named, and all that are left."""
    return orjson.dumps({"type": "unsubscribed", "channels": _names(channels), "subscribed": _names(left)})


PONG = b'{"type":"pong"}'
"""The answer to Ping."""


def _names(channels: Collection[Channel]) -> list[str]:
    return [channel.value for channel in channels]


def _object(text: str) -> dict[str, object]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        raise BadMessage("invalid_json", "The message is not JSON.") from wrong
    if not isinstance(message, dict):
        raise BadMessage("invalid_message", "A message is a JSON object.")
    return message


def _channels(named: object) -> tuple[Channel, ...]:
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise BadMessage("invalid_message", "The channels must be a list of strings.")
    if any(name not in _CHANNELS for name in named):
        raise BadMessage("unknown_channel", f"The channels are {' and '.join(_CHANNELS)}.")
    return tuple(dict.fromkeys(_CHANNELS[name] for name in named))
