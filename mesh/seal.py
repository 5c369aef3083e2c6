"""Seals: one service's word for something that it sends along on a call that it makes for somebody else.

HMAC-SHA-256 (RFC 2104) under a key derived from a secret that the two share.
"""

import hashlib
import hmac

ARRIVAL_SEAL = "pagemesh arrival"
"""Purpose: what ingest read of a document as it arrived."""


class Sealer:
    """Seals and checks for one purpose; without a secret nothing is sealed and no seal is good."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._key = hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256) if secret else b""

    def seal(self, *parts: bytes) -> bytes:
        """The seal of the parts in their order; empty without a secret."""
        return hmac.digest(self._key, _joined(parts), hashlib.sha256) if self._key else b""

    def is_good(self, seal: bytes, *parts: bytes) -> bool:
        """Whether it is the seal of the parts."""
        return bool(self._key) and hmac.compare_digest(seal, self.seal(*parts))


def _joined(parts: tuple[bytes, ...]) -> bytes:
    """Each part with its length, so that no two lists of parts look the same."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
