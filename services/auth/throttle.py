"""Guessing passwords: after some wrong ones nobody is let try, not even with the right one, until a window has ended.

Failures are counted by account and address together, so that a stranger cannot lock somebody out from elsewhere, and
by account alone with a limit ten times as high, against guessing from many addresses. Accounts that do not exist are
counted alike: nothing tells them apart. Source: NIST SP 800-63B section 5.2.2.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from mesh.errors import TooMuch

_ACCOUNT_FACTOR = 10


class FailureBook(Protocol):
    """Where failures are counted, for all replicas. Every method raises Unavailable while it is away."""

    async def seconds_refused(self, limits: Mapping[bytes, int]) -> int:
        """How long until every subject has fewer failures than its limit; 0 now."""

    async def count_failure(self, subjects: list[bytes], window: timedelta) -> None:
        """Counts one for each; a window begins with its first failure."""

    async def forget_failures(self, subject: bytes) -> None:
        """Counts from the beginning."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody at an address who tries to log in to an account. Neither is kept, only their hashes."""

    email: str
    address: str

    @property
    def account(self) -> bytes:
        """The account, whatever the case of its address."""
        return _hash("account", self.email)

    @property
    def pair(self) -> bytes:
        """The account at this address."""
        return _hash("pair", self.email, self.address)


class Throttle:
    """Lets people try as long as they have not failed too often."""

    def __init__(self, book: FailureBook, failures: int, window: timedelta) -> None:
        self._book = book
        self._failures = failures
        self._window = window

    async def check(self, attempt: Attempt) -> None:
        """Raises TooMuch (TOO_MANY_ATTEMPTS) with `retry_after` in seconds."""
        limits = {attempt.pair: self._failures, attempt.account: self._failures * _ACCOUNT_FACTOR}
        seconds = await self._book.seconds_refused(limits)
        if seconds > 0:
            message = f"Too many wrong passwords. Try again in {seconds} seconds."
            raise TooMuch(message, "TOO_MANY_ATTEMPTS", retry_after=str(seconds))

    async def failed(self, attempt: Attempt) -> None:
        """Counts a wrong password."""
        await self._book.count_failure([attempt.account, attempt.pair], self._window)

    async def succeeded(self, attempt: Attempt) -> None:
        """Takes a right password; raises TooMuch if others failed too often while it was verified.

        Without that, guesses sent all at once would all be answered.
        """
        await self.check(attempt)
        await self._book.forget_failures(attempt.pair)


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(part.lower() for part in parts).encode("utf-8", "surrogatepass")).digest()
