"""Admission: every request is counted once, under its organization or its address, before anything is done for it."""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from starlette.types import Scope

from mesh.errors import PagemeshError, TooMuch
from mesh.identity import Identity
from services.gateway.limits import Headers, Limiter, Policy, Verdict
from services.gateway.metering import CallMeter
from services.gateway.organizations import Organizations
from services.gateway.plans import Usage
from services.gateway.quotas import NO_OVERRIDES, Overrides, Policies, address_key, overrides_of, tier_of
from services.gateway.settings import GatewaySettings

_VERDICT = "pagemesh.verdict"
_REMEMBERED = 10_000
_TERMS_SECONDS = 30.0
_UNKNOWN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Terms:
    """What holds for an organization, as far as it was asked for, until then and until it changes."""

    tier: str
    overrides: Overrides
    until: float
    changes: int

    def on_plan(self, caller: Identity) -> Identity:
        """The caller on the plan that holds, whatever the token says of it."""
        return caller if caller.tier == self.tier else replace(caller, tier=self.tier)


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
        self._terms: OrderedDict[str, _Terms] = OrderedDict()

    async def admit(self, scope: Scope, caller: Identity, within_plan: bool = True) -> Identity:
        """Counts the request under its caller's organization, unless it is counted already; the caller on its plan.

        Raises TooMuch over a limit, or when its plan has no calls left and it must be `within_plan`; Unavailable while
        nothing can count.
        """
        terms = self._known(caller) or await self._asked(caller)
        caller = terms.on_plan(caller)
        if _VERDICT in scope:
            _refuse(scope[_VERDICT])
            return caller
        scope[_VERDICT] = await self._limiter.count(caller.organization_id, self._policy(terms))
        _refuse(scope[_VERDICT])
        if within_plan:
            await self._usage.require_calls(caller)
        self._meter.count(caller.organization_id)
        return caller

    async def admit_address(self, scope: Scope) -> None:
        """Counts a request without a credential under its address. Raises as `admit`."""
        host = scope["client"][0] if scope.get("client") else ""
        scope[_VERDICT] = await self._limiter.count(address_key(host), self._by_address)
        _refuse(scope[_VERDICT])

    def policy(self, caller: Identity) -> Policy | None:
        """The limits of the caller's organization; None where they, or the calls that are left, are not known."""
        terms = self._known(caller)
        if terms is None or not self._usage.within_calls(terms.on_plan(caller)):
            return None
        return self._policy(terms)

    async def count(self, scope: Scope, caller: Identity, policy: Policy) -> Verdict:
        """Counts the request ahead of `admit`, which then goes by it. Raises Unavailable."""
        verdict: Verdict = await self._limiter.count(caller.organization_id, policy)
        scope[_VERDICT] = verdict
        if verdict.accepted:
            self._meter.count(caller.organization_id)
        return verdict

    def _policy(self, terms: _Terms) -> Policy:
        return self._policies.of(terms.tier, terms.overrides)

    def _known(self, caller: Identity) -> _Terms | None:
        terms = self._terms.get(caller.organization_id)
        if terms is None or terms.changes != self._organizations.changes or terms.until <= time.monotonic():
            return None
        return terms

    async def _asked(self, caller: Identity) -> _Terms:
        changes = self._organizations.changes
        try:
            organization = await self._organizations.get(caller.organization_id)
            until = time.monotonic() + _TERMS_SECONDS
            terms = _Terms(tier_of(organization), overrides_of(organization), until, changes)
        except PagemeshError:  # what does not need `auth` goes on without it: by what was known last, else by the token
            last = self._terms.get(caller.organization_id) or _Terms(caller.tier, NO_OVERRIDES, 0.0, changes)
            terms = replace(last, until=time.monotonic() + _UNKNOWN_SECONDS, changes=changes)
        self._terms[caller.organization_id] = terms
        self._terms.move_to_end(caller.organization_id)
        if len(self._terms) > _REMEMBERED:
            self._terms.popitem(last=False)
        return terms


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
