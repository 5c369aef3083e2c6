"""Admission: every request is counted once, under its organization or its address, before anything is done for it."""

import time
from collections import OrderedDict

from starlette.types import Scope

from mesh.errors import PagemeshError, TooMuch
from mesh.identity import Identity
from services.gateway.limits import Headers, Limiter, Policy, Verdict
from services.gateway.metering import CallMeter
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.quotas import NO_OVERRIDES, Overrides, Policies, address_key, overrides_of
from services.gateway.settings import GatewaySettings

_VERDICT = "pagemesh.verdict"
_REMEMBERED = 10_000
_OVERRIDES_SECONDS = 30.0
_UNKNOWN_SECONDS = 5.0


class Admission:
    """Counts requests and refuses those over a limit."""

    def __init__(
        self,
        limiter: Limiter,
        organizations: Organizations,
        usage: Usage,
        meter: CallMeter,
        settings: GatewaySettings,
    ) -> None:
        self._limiter = limiter
        self._organizations = organizations
        self._usage = usage
        self._meter = meter
        self._policies = Policies(settings.limits)
        self._by_address = settings.address_limits.policy()
        self._overrides: OrderedDict[str, tuple[float, Overrides]] = OrderedDict()

    async def admit(self, scope: Scope, caller: Identity, within_plan: bool = True) -> None:
        """Counts the request under its caller's organization, unless it is counted already.

        Raises TooMuch over a limit, or when its plan has no calls left and it must be `within_plan`; Unavailable while
        nothing can count.
        """
        if _VERDICT in scope:
            _refuse(scope[_VERDICT])
            return
        policy = self._policy(caller) or await self._asked(caller)
        scope[_VERDICT] = await self._limiter.count(caller.organization_id, policy)
        _refuse(scope[_VERDICT])
        if within_plan:
            await self._usage.require_calls(caller)
        self._meter.count(caller.organization_id)

    async def admit_address(self, scope: Scope) -> None:
        """Counts a request without a credential under its address. Raises as `admit`."""
        host = scope["client"][0] if scope.get("client") else ""
        scope[_VERDICT] = await self._limiter.count(address_key(host), self._by_address)
        _refuse(scope[_VERDICT])

    def policy(self, caller: Identity) -> Policy | None:
        """The limits of the caller's organization; None where they, or the calls that are left, are not known."""
        return self._policy(caller) if self._usage.within_calls(caller) else None

    async def count(self, scope: Scope, caller: Identity, policy: Policy) -> Verdict:
        """Counts the request ahead of `admit`, which then goes by it. Raises Unavailable."""
        verdict: Verdict = await self._limiter.count(caller.organization_id, policy)
        scope[_VERDICT] = verdict
        if verdict.accepted:
            self._meter.count(caller.organization_id)
        return verdict

    def _policy(self, caller: Identity) -> Policy | None:
        until, overrides = self._overrides.get(caller.organization_id, (0.0, NO_OVERRIDES))
        return self._policies.of(caller.tier, overrides) if time.monotonic() < until else None

    async def _asked(self, caller: Identity) -> Policy:
        try:
            organization = await self._organizations.get(caller.organization_id)
            seconds, overrides = _OVERRIDES_SECONDS, overrides_of(organization)
        except PagemeshError:  # what does not need `auth` goes on without it: by what was known last, else by the tier
            _, overrides = self._overrides.get(caller.organization_id, (0.0, NO_OVERRIDES))
            seconds = _UNKNOWN_SECONDS
        self._overrides[caller.organization_id] = (time.monotonic() + seconds, overrides)
        self._overrides.move_to_end(caller.organization_id)
        if len(self._overrides) > _REMEMBERED:
            self._overrides.popitem(last=False)
        return self._policies.of(caller.tier, overrides)


def headers_of(scope: Scope) -> Headers:
    """What the answer to a request tells of the limits that it was counted against."""
    verdict: Verdict | None = scope.get(_VERDICT)
    return verdict.headers() if verdict is not None else []


def _refuse(verdict: Verdict) -> None:
    if not verdict.accepted:
        seconds = verdict.retry_after
        raise TooMuch(
            f"Rate limit exceeded. Try again in {seconds} seconds.", "RATE_LIMIT_EXCEEDED", retry_after=str(seconds)
        )
