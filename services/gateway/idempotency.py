"""Idempotency keys: the same key makes the same ids, so that a repeat makes no second thing."""

import re
import uuid

from mesh.errors import InvalidArgument

_NAMESPACE = uuid.UUID("6f1d7a52-3f0c-5c86-9f0e-0a4f3b7f7d11")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def read_key(header: str | None) -> str | None:
    """The key of an `Idempotency-Key` header, quoted (RFC 8941 string) or not. Raises InvalidArgument."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = re.sub(r'\\(["\\])', r"\1", key[1:-1])
    if not _KEY.fullmatch(key):
        raise InvalidArgument("Idempotency-Key must be 1 to 255 printable ASCII characters.", "INVALID_IDEMPOTENCY_KEY")
    return key


def resource_id(organization_id: str, endpoint: str, key: str | None, kind: str) -> str:
    """A UUID: of the organization, endpoint and key (version 5, RFC 9562) when there is a key, else random."""
    if key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_NAMESPACE, f"{organization_id}\n{endpoint}\n{kind}\n{key}"))
