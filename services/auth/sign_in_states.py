"""States of sign-ins: everything that the second step needs, sealed, so that any replica can finish what one began.

A state travels by the browser and the provider, who can neither read nor change it; nothing is stored until it is
spent, so that beginning sign-ins costs no room.
"""

import base64
import binascii
import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mesh.errors import InvalidArgument

LIFE = timedelta(minutes=10)
_PURPOSE = b"pagemesh sign-in state"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_LONGEST = 2_048


@dataclass(frozen=True, slots=True)
class SignInState:
    """What was chosen when a sign-in began. `expires_at` is Unix time."""

    verifier: str = field(repr=False)
    """The PKCE verifier towards the provider (RFC 7636 section 4.1)."""
    nonce: str = field(repr=False)
    """What an ID token must repeat (OpenID Connect Core 1.0 section 3.1.2.1)."""
    challenge: str
    """What the caller's own secret must hash to; empty: nothing was asked for."""
    expires_at: int

    @property
    def fingerprint(self) -> bytes:
        """What is stored of a spent state. Of what was sealed: one text in base64 can be written in several ways."""
        return hashlib.sha256(self.verifier.encode()).digest()

    @property
    def ends(self) -> datetime:
        """When it expires."""
        return datetime.fromtimestamp(self.expires_at, UTC)

    def check_verifier(self, verifier: str) -> None:
        """Raises InvalidArgument (INVALID_OAUTH_STATE) unless the caller is who began the sign-in."""
        if (self.challenge or verifier) and s256(verifier) != self.challenge:
            raise wrong_state()


class States:
    """Seals states and opens them, by keys that all replicas derive from the master keys: the first one seals."""

    def __init__(self, master_keys: Sequence[bytes], life: timedelta = LIFE) -> None:
        self._ciphers = [AESGCM(_derived(key)) for key in master_keys]
        self._life = life

    def begin(self, provider: str, challenge: str) -> tuple[SignInState, str]:
        """A new state, bound to the provider, and its sealed text."""
        expires_at = int(time.time() + self._life.total_seconds())
        state = SignInState(secrets.token_urlsafe(48), secrets.token_urlsafe(24), challenge, expires_at)
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[0].encrypt(nonce, json.dumps(asdict(state)).encode(), provider.encode())
        return state, base64.urlsafe_b64encode(nonce + text).rstrip(b"=").decode()

    def open(self, provider: str, sealed: str) -> SignInState:
        """The state. Raises InvalidArgument (INVALID_OAUTH_STATE) if it is not one of ours for it, or has expired."""
        if len(sealed) > _LONGEST:
            raise wrong_state()
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"==")
        except (binascii.Error, UnicodeEncodeError) as error:
            raise wrong_state() from error
        state = SignInState(**json.loads(self._opened(raw, provider.encode())))
        if state.expires_at <= time.time():
            raise wrong_state()
        return state

    def _opened(self, raw: bytes, provider: bytes) -> bytes:
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], provider)
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        raise wrong_state()


def _derived(master_key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(master_key)


def s256(verifier: str) -> str:
    """The challenge of a verifier. Source: RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def wrong_state() -> InvalidArgument:
    """The error of a state that is no good, whyever."""
    message = "The state is unknown, spent, expired or another provider's. Begin again."
    return InvalidArgument(message, "INVALID_OAUTH_STATE")
