"""Hashing of passwords: Argon2id, in threads of its own, with the same work for accounts that do not exist."""

import asyncio
import os
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

# 12 MiB, 3 passes, 1 lane: about 28 ms on a 2020s core.
# Source: OWASP Password Storage Cheat Sheet, equivalent Argon2id settings.
_MEMORY_KIB = 12_288
_PASSES = 3

_T = TypeVar("_T")


class Passwords:
    """Makes and verifies hashes without holding up the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1, type=Type.ID)
        # As many threads as processors: more would only multiply the memory that a storm of logins takes.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="argon2")
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """A salted hash in PHC form."""
        return await self._in_thread(lambda: self._hasher.hash(normal_form(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the hash is the password's; without a hash the same work is done and the answer is no."""
        known = password_hash is not None
        return await self._in_thread(lambda: self._matches(password_hash or self._nobody, password)) and known

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other settings than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, normal_form(password))
        except VerifyMismatchError:
            return False

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def normal_form(password: str) -> str:
    """The password as every keyboard would send it. Source: NIST SP 800-63B section 5.1.1.2, NFKC."""
    return unicodedata.normalize("NFKC", password)
