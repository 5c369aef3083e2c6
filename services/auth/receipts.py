"""Receipts for what was erased: JWTs that anybody can check with the published keys, and that open nothing.

A receipt is told from an access token by its type (RFC 8725 section 3.11), has no audience, and never expires: what
is gone stays gone.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import jwt

from mesh.errors import InvalidArgument
from mesh.identity import ALGORITHM, ISSUER, Identity
from services.auth.keys import KeyRing

RECEIPT_TYPE = "receipt+jwt"
REASONS = frozenset({"deleted", "expired", "requested"})
_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Erased:
    """What a service says that it has erased."""

    subject: str
    """UUID of it."""
    kind: str
    reason: str
    objects: int
    """Blobs and rows."""
    erased_at: datetime
    digest: str = ""
    """SHA-256 of the original, in hexadecimal; empty: not told."""


class Receipts:
    """Signs receipts with the key that signs now."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def issue(self, caller: Identity, erased: Erased) -> str:
        """A receipt in the name of the caller's organization. Raises InvalidArgument naming the field."""
        _check(erased)
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": ISSUER,
            "iat": now,
            "jti": str(uuid4()),
            "org": caller.organization_id,
            "sub": erased.subject,
            "kind": erased.kind,
            "reason": erased.reason,
            "objects": erased.objects,
            "erased_at": _time(erased.erased_at),
        }
        if erased.digest:
            claims["digest"] = f"sha256:{erased.digest}"
        key = self._keys.signing(now)
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": RECEIPT_TYPE})


def _check(erased: Erased) -> None:
    good = {
        "subject": _is_uuid(erased.subject),
        "kind": _KIND.fullmatch(erased.kind),
        "reason": erased.reason in REASONS,
        "objects": erased.objects >= 0,
        "digest": not erased.digest or _SHA256.fullmatch(erased.digest),
    }
    for field, is_good in good.items():
        if not is_good:
            raise InvalidArgument(f"{field} is not acceptable.", field=field)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _time(moment: datetime) -> str:
    """RFC 3339 in UTC, as the public API spells the same moment."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
