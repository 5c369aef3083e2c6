"""Names and ciphers of what is remembered under idempotency keys.

Answers can hold secrets, and requests passwords. So nothing of either is stored in the clear: what is stored is
encrypted under a key that comes from the client's idempotency key and from the installation's secret, neither of which
is stored with it. Source: RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM).
"""

import os
from collections.abc import Sequence

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mesh.errors import Internal

_NAME_BYTES, _KEY_BYTES, _NONCE_BYTES = 32, 32, 12


class Box:
    """A place with a name that tells nothing, and a lock."""

    def __init__(self, name: bytes, key: bytes) -> None:
        self.name = name.hex()
        self._aad = name
        self._cipher = AESGCM(key)

    def seal(self, content: bytes) -> bytes:
        """The content as it may be stored: a nonce and the ciphertext, bound to this place."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, self._aad)

    def open(self, sealed: bytes) -> bytes:
        """The content. Raises Internal when it was altered or comes from another place."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._aad)
        except (InvalidTag, ValueError) as error:
            raise Internal("A remembered answer does not open.") from error


class Sealing:
    """Makes boxes. Every gateway of an installation has the same secret."""

    def __init__(self, secret: str) -> None:
        self._salt = secret.encode()

    def box(self, scope: Sequence[str], key: str) -> Box:
        """The box of an idempotency key within a scope."""
        derived = HKDF(SHA256(), _NAME_BYTES + _KEY_BYTES, self._salt, orjson.dumps(list(scope))).derive(key.encode())
        return Box(derived[:_NAME_BYTES], derived[_NAME_BYTES:])
