"""Requests whose content is kept in memory alone: who asks for it, for how long, and the answers that say so.

Source: contract/conventions.md, "Zero-log".
"""

import time

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

from mesh.identity import Identity
from mesh.streams import LONGEST_ZERO_LOG_SECONDS
from services.gateway.organizations import Organizations
from services.gateway.problems import invalid
from services.gateway.settings import GatewaySettings

HEADER, TTL_HEADER = "X-Zero-Log", "X-Zero-Log-TTL"
_MARK = "pagemesh.zero_log"
_MARGIN_SECONDS = 2
_YES, _NO = frozenset({"true", "1"}), frozenset({"false", "0", ""})


class ZeroLog:
    """That a request is so, and for how many seconds what comes of it is kept."""

    def __init__(self, seconds: int, is_asked: bool = True) -> None:
        """`is_asked` tells requests that ask for it from those about something that is kept so already."""
        self.seconds = seconds
        self.is_asked = is_asked

    def until(self, moment: Timestamp) -> None:
        """What came of the request is forgotten then, and the answer a little before: the broker is not that exact."""
        self.seconds = max(1, int(moment.ToMilliseconds() / 1_000 - time.time()) - _MARGIN_SECONDS)


class ZeroLogTerms:
    """When requests are so: they say it themselves, or their organization has all of its work so."""

    def __init__(self, organizations: Organizations, settings: GatewaySettings) -> None:
        self._organizations = organizations
        self._default = settings.zero_log_default_seconds
        self._least = settings.zero_log_min_seconds

    async def of(self, headers: Headers, caller: Identity) -> ZeroLog | None:
        """What holds for a request that makes something. Raises InvalidArgument, Unavailable."""
        asked, seconds = asks(headers), self._seconds(headers)
        if not asked and not (await self._organizations.get(caller.organization_id)).settings.zero_log:
            if seconds is not None:
                raise invalid({TTL_HEADER: f"This is for requests with {HEADER}: true."})
            return None
        return ZeroLog(self._default if seconds is None else seconds)

    def unasked(self) -> ZeroLog:
        """For a request about something that is kept so already."""
        return ZeroLog(self._default, is_asked=False)

    def choose(self, zero_log: ZeroLog | None, seconds: int | None) -> None:
        """Takes the seconds that a field of the request chooses. Raises InvalidArgument."""
        if seconds is None:
            return
        if zero_log is None:
            raise invalid({"ttl_seconds": f"This is for requests with {HEADER}: true."})
        zero_log.seconds = self._within(seconds, "ttl_seconds")

    def _seconds(self, headers: Headers) -> int | None:
        text = headers.get(TTL_HEADER)
        if text is None:
            return None
        if not text.isascii() or not text.isdecimal() or len(text) > 6:
            raise invalid({TTL_HEADER: "This is no number of seconds."})
        return self._within(int(text), TTL_HEADER)

    def _within(self, seconds: int, field: str) -> int:
        if not self._least <= seconds <= LONGEST_ZERO_LOG_SECONDS:
            raise invalid({field: f"From {self._least} to {LONGEST_ZERO_LOG_SECONDS} seconds."})
        return seconds


def asks(headers: Headers) -> bool:
    """Whether the request itself asks for it. Raises InvalidArgument when that cannot be told."""
    text = headers.get(HEADER, "").strip(" \t").lower()
    if text not in _YES | _NO:
        raise invalid({HEADER: "true or false."})
    return text in _YES


def mark(scope: Scope) -> None:
    """Has the answer to the request say that it is so."""
    scope[_MARK] = True


def say(scope: Scope, answer: MutableHeaders) -> None:
    """Says it, of an answer that was marked."""
    if scope.get(_MARK):
        answer["cache-control"] = "no-store"
        answer[HEADER] = "true"
