"""The secret that signs an organization's deliveries: derived, so that none is stored."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mesh.errors import Unavailable
from services.results.webhooks.records import SecretVersion

PREFIX = "whsec_"
BOTH = timedelta(hours=24)
"""How long the previous secret signs beside the one that took its place."""
_LABEL = b"pagemesh webhook secret"


class Secrets:
    """Derives secrets from one of the service's own; without that there are none."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    @property
    def available(self) -> bool:
        """Whether deliveries can be signed."""
        return bool(self._key)

    def of(self, organization_id: UUID, version: int) -> str:
        """An organization's secret, `whsec_` and 32 bytes in base64. Raises Unavailable where there are none."""
        if not self._key:
            raise Unavailable("This installation delivers no webhooks.", dependency="webhooks")
        # The label keeps this apart from whatever else the key may be used for.
        name = b"\n".join((_LABEL, organization_id.bytes, b"%d" % version))
        return PREFIX + base64.b64encode(hmac.digest(self._key, name, "sha256")).decode()

    def signing(self, organization_id: UUID, version: SecretVersion, now: datetime | None = None) -> list[str]:
        """The secrets to sign with now: the newest, and for a day the one before it."""
        numbers = [version.number]
        if previous_until(version, now):
            numbers.append(version.number - 1)
        return [self.of(organization_id, number) for number in numbers]


def previous_until(version: SecretVersion, now: datetime | None = None) -> datetime | None:
    """Until when the previous secret signs as well; None when it does not."""
    if version.rotated_at is None:
        return None
    ends = version.rotated_at + BOTH
    return ends if (now or datetime.now(UTC)) < ends else None
