"""One attempt: a POST whose answer's status is all that is read, to an address that may be called."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from mesh.addresses import Allowed
from mesh.errors import InvalidArgument
from mesh.outgoing import outgoing_client
from services.results.webhooks.records import Outcome

_OURS = {"user-agent": "pagemesh-webhooks/1", "accept": "*/*", "accept-encoding": "identity"}
_SAYS_WHEN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_LONGEST_WAIT = 24 * 3_600.0


class Sender:
    """Posts to receivers; an attempt takes at most so many seconds, whatever a receiver does."""

    def __init__(self, allowed: Allowed, seconds: float) -> None:
        self._client = outgoing_client(allowed, seconds)
        self._seconds = seconds

    async def post(self, url: str, headers: Mapping[str, str], payload: bytes) -> Outcome:
        """What comes of it. Redirects are answers like others; nothing of an answer's body is read."""
        started = time.monotonic()
        outcome = await self._post(url, {**_OURS, **headers}, payload)
        return replace(outcome, seconds=time.monotonic() - started)

    async def _post(self, url: str, headers: Mapping[str, str], payload: bytes) -> Outcome:
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("POST", url, headers=headers, content=payload) as answer,
            ):
                return _outcome(answer)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(error="timeout")
        except InvalidArgument:
            return Outcome(error="address_not_allowed")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            return Outcome(error="connection_failed")

    async def close(self) -> None:
        """Closes what is open."""
        await self._client.aclose()


def _outcome(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return Outcome(status)
    if status == HTTPStatus.GONE:
        return Outcome(status, "gone")
    waits = retry_after(answer.headers.get("retry-after", "")) if status in _SAYS_WHEN else None
    return Outcome(status, "http_status", retry_after=waits)


def retry_after(value: str, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` field asks for (RFC 9110 section 10.2.3), at most a day; None: it is none."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), _LONGEST_WAIT)
