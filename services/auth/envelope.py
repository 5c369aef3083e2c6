"""Envelope encryption: every secret under a random data key of its own, which a master key wraps.

Replacing the master key then changes 60 bytes a secret and no ciphertext. AES-256-GCM, twice; secret and data key are
bound to whose they are, so that neither opens in another row.
"""

import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.auth.master_keys import NONCE_BYTES, Altered, MasterKeys, Wrapped

_DATA_KEY_BITS = 256
_DATA_KEY, _SECRET = b"data key\x00", b"secret\x00"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A secret as it is stored; `sealed` is a nonce followed by the ciphertext."""

    data_key: Wrapped
    sealed: bytes = field(repr=False)


def seal(secret: str, bound: bytes, master: MasterKeys) -> Envelope:
    """The secret as it may be stored."""
    key, nonce = AESGCM.generate_key(_DATA_KEY_BITS), os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, secret.encode(), _SECRET + bound)
    return Envelope(master.wrap(key, _DATA_KEY + bound), sealed)


def unseal(envelope: Envelope, bound: bytes, master: MasterKeys) -> str:
    """The secret. Raises WrongMasterKey, Altered."""
    key = master.unwrap(envelope.data_key, _DATA_KEY + bound)
    try:
        return (
            AESGCM(key).decrypt(envelope.sealed[:NONCE_BYTES], envelope.sealed[NONCE_BYTES:], _SECRET + bound).decode()
        )
    except (InvalidTag, ValueError) as error:
        raise Altered from error


def rewrap(data_key: Wrapped, bound: bytes, master: MasterKeys) -> Wrapped:
    """The data key of a secret under the current master key. Raises WrongMasterKey, Altered."""
    return master.wrap(master.unwrap(data_key, _DATA_KEY + bound), _DATA_KEY + bound)
