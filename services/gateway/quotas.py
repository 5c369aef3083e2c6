"""Which limits hold for whom: by the tier, by what was agreed with an organization, by the client's address.

Source: contract/conventions.md, "Rate limits".
"""

import ipaddress
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from pagemesh.auth.v1 import auth_pb2
from services.gateway.limits import Policy, Quota

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_REMEMBERED = 1_000
_IPV6_CUSTOMER_BITS = 64

Overrides = tuple[int, int, int]
"""Requests per second, minute and hour that replace the tier's; 0 where they do not."""
NO_OVERRIDES: Overrides = (0, 0, 0)


class WindowLimits(BaseModel):
    """Requests in each fixed window; 0 for no limit in this one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    second: int = Field(default=0, ge=0)
    minute: int = Field(default=0, ge=0)
    hour: int = Field(gt=0)
    """There is always a limit in the longest."""

    def policy(self, overrides: Overrides = NO_OVERRIDES) -> Policy:
        """The policy of these limits."""
        own = (self.second, self.minute, self.hour)
        limits = (theirs or mine for theirs, mine in zip(overrides, own, strict=True))
        quotas = zip(_SECONDS.items(), limits, strict=True)
        return Policy([Quota(window, seconds, limit) for (window, seconds), limit in quotas if limit])


TIERS: Mapping[str, WindowLimits] = {
    "free": WindowLimits(minute=10, hour=100),
    "pro": WindowLimits(minute=100, hour=5_000),
    "enterprise": WindowLimits(minute=1_000, hour=50_000),
}
# Enough for people behind one address, little for who guesses; on a machine of one's own nobody guesses.
ADDRESS: Mapping[str, WindowLimits] = {
    "production": WindowLimits(minute=30, hour=600),
    "development": WindowLimits(minute=3_000, hour=100_000),
}


class Policies:
    """Policies by tier and overrides, each made once: batches and refusals go by the policy itself."""

    def __init__(self, tiers: Mapping[str, WindowLimits]) -> None:
        self._tiers = tiers
        self._made: dict[tuple[str, Overrides], Policy] = {}

    def of(self, tier: str, overrides: Overrides) -> Policy:
        """The policy of an organization; an unknown tier counts as free."""
        policy = self._made.get((tier, overrides))
        if policy is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            policy = self._tiers.get(tier, self._tiers["free"]).policy(overrides)
            self._made[tier, overrides] = policy
        return policy


def tier_of(organization: auth_pb2.Organization) -> str:
    """The organization's plan as tokens and settings name it."""
    return auth_pb2.Tier.Name(organization.tier).removeprefix("TIER_").lower()


def overrides_of(organization: auth_pb2.Organization) -> Overrides:
    """What was agreed with the organization."""
    agreed = organization.rate_limits
    return agreed.per_second, agreed.per_minute, agreed.per_hour


def address_key(host: str) -> str:
    """What requests from an address are counted under: it alone, or for IPv6 what one customer has of them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a socket's path, or a test
        return "address-local"
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.ip_network((address, _IPV6_CUSTOMER_BITS), strict=False)[0]
    return f"address-{address.packed.hex()}"
