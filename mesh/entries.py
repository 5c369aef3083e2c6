"""Entries that the broker keeps: made by one, changed by compare-and-set, gone by themselves after their time.

An entry is the only message of its subject (`max_msgs_per_subject=1`). Its revision is that message's sequence, and a
write names the revision that it replaces, 0 for none, so that of several writers one wins (NATS headers
`Nats-Expected-Last-Subject-Sequence` and `Nats-TTL`, server 2.11 or newer). Time is the broker's own.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

from mesh.bus import GONE, Bus
from mesh.errors import TooMuch, Unavailable

ABSENT = 0
"""The revision of an entry that is not there."""
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_SECONDS = 3.0
_ERRORS = (NatsError, JetStreamError, TimeoutError, OSError)
# JSStreamWrongLastSequenceErrF and JSStreamWrongLastSequenceConstantErr of the server.
_CONFLICTS = frozenset({10071, 10164})


@dataclass(frozen=True, slots=True)
class Entry:
    """What was written last, when by the broker's clock, and its revision."""

    payload: bytes
    revision: int
    written_at: datetime


class Entries:
    """Entries of one stream. Every method raises Unavailable while the broker is away.

    A write that raised may have happened or not.
    """

    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream

    async def put(self, subject: str, payload: bytes, replaces: int, seconds: int) -> int | None:
        """Writes over the revision that it replaces, for so many seconds; the new revision, or None when it is another.

        Raises TooMuch for a payload that the broker never takes.
        """
        await self._bus.check()
        expected = {_EXPECTED: str(replaces)}
        try:
            ack = await self._bus.jetstream.publish(
                subject, payload, timeout=_SECONDS, stream=self._stream, headers=expected, msg_ttl=seconds
            )
        except MaxPayloadError as error:
            raise TooMuch("The answer is too large to be remembered.") from error
        except _ERRORS as error:
            if isinstance(error, APIError) and error.err_code in _CONFLICTS:
                return None
            raise _away() from error
        return int(ack.seq)

    async def get(self, subject: str) -> Entry | None:
        """The entry; None when it is not there, or its time is over."""
        await self._bus.check()
        try:
            message = await self._bus.jetstream.get_last_msg(self._stream, subject)
        except NotFoundError:
            return None
        except _ERRORS as error:
            raise _away() from error
        if message.seq is None or message.time is None:
            return None
        return Entry(message.data or b"", message.seq, message.time)

    async def age(self, entry: Entry) -> float:
        """Seconds since it was written, both moments told by the broker."""
        await self._bus.check()
        try:
            answer = await self._bus.connection.request(f"$JS.API.STREAM.INFO.{self._stream}", b"", timeout=_SECONDS)
            now = datetime.fromisoformat(json.loads(answer.data)["ts"])
        except (*_ERRORS, ValueError, KeyError) as error:
            raise _away() from error
        return (now - entry.written_at).total_seconds()

    async def drop(self, revision: int) -> None:
        """Removes the entry of that revision; one that was written over, or is gone already, stays as it is."""
        await self._bus.check()
        try:
            await self._bus.jetstream.delete_msg(self._stream, revision)
        except _ERRORS as error:
            if not isinstance(error, APIError) or error.err_code not in GONE:
                raise _away() from error


def _away() -> Unavailable:
    return Unavailable("The message broker is away.", dependency="nats")
