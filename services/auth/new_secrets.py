"""Secrets of new things: random, or for a request that may come again, the same each time.

Derived secrets are never stored either. Who repeats a request whose answer was lost is given the same secret again, and
its hash finds the thing that was made.
"""

import base64
import os
from typing import Protocol
from uuid import UUID

_BYTES = 32


class Deriving(Protocol):
    """A master key, or who has it."""

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes, the same for the same purpose."""


class NewSecrets:
    """Makes secrets of 32 bytes, 43 characters."""

    def __init__(self, master: Deriving) -> None:
        self._master = master

    def make(self, prefix: str, owner: UUID, request_id: UUID | None) -> str:
        """A secret that begins so; with a request id the same for this prefix and owner as ever."""
        if request_id is None:
            secret = os.urandom(_BYTES)
        else:
            secret = self._master.derive(b"\0".join((prefix.encode(), owner.bytes, request_id.bytes)))
        return prefix + base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
