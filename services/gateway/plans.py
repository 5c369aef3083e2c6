"""Plans: what an organization may use in a month, and what it has used.

Source: contract/platform-v1.md, "Plan limits per month". What others used is asked for and remembered for a while;
calls of this gateway are known as they happen.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from mesh.errors import PagemeshError, TooMuch
from mesh.identity import Identity
from pagemesh.results.v1.usage_pb2 import GetUsageRequest, GetUsageResponse
from services.gateway.metering import CallMeter

log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_REMEMBERED_SECONDS = 30.0
_UNKNOWN_SECONDS = 5.0
# A limit may be near: so much of it is used, were all that came since it was asked for as large as these.
_CLOSE = 0.9
_LARGE_PAGES = 200
_LARGE_BYTES = 50 << 20
_EPOCH = date(1970, 1, 1)
_GIB = 1 << 30

Ask = Callable[[GetUsageRequest], Awaitable[GetUsageResponse]]


class Plan(BaseModel):
    """What a tier may use in a month; `storage_bytes` at any time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    documents: int = Field(ge=0)
    pages: int = Field(ge=0)
    calls: int = Field(ge=0)
    storage_bytes: int = Field(ge=0)


PLANS: Mapping[str, Plan] = {
    "free": Plan(documents=100, pages=2_000, calls=10_000, storage_bytes=_GIB),
    "pro": Plan(documents=1_000, pages=50_000, calls=100_000, storage_bytes=10 * _GIB),
    "enterprise": Plan(documents=100_000, pages=5_000_000, calls=10_000_000, storage_bytes=1024 * _GIB),
}


@dataclass(frozen=True, slots=True)
class Used:
    """What an organization used in some days; `storage_bytes` is what it had stored at their end."""

    documents: int
    pages: int
    tokens: int
    storage_bytes: int
    calls: int


@dataclass(slots=True)
class _Known:
    """What was told of a month, with the question, and the uploads that were let in since."""

    until: float
    asked: GetUsageRequest
    told: GetUsageResponse
    uploads: int = 0

    def may_be_close(self, plan: Plan) -> bool:
        """Whether a limit may be near by now."""
        now = (
            (self.told.documents + self.uploads, plan.documents),
            (self.told.pages + self.uploads * _LARGE_PAGES, plan.pages),
            (self.told.storage_bytes + self.uploads * _LARGE_BYTES, plan.storage_bytes),
        )
        return any(used >= _CLOSE * limit for used, limit in now)


class Usage:
    """What organizations have used, and whether that is within their plans."""

    def __init__(self, ask: Ask, meter: CallMeter, plans: Mapping[str, Plan]) -> None:
        self._ask = ask
        self._meter = meter
        self._plans = plans
        self._remembered: OrderedDict[str, _Known] = OrderedDict()

    def plan(self, caller: Identity) -> Plan:
        """The plan of the caller's organization; an unknown tier counts as free."""
        return self._plans.get(caller.tier, self._plans["free"])

    async def between(self, caller: Identity, first: date, last: date) -> Used:
        """Usage of the caller's organization in whole days, UTC. Raises what asking raises."""
        request = self._request((first - _EPOCH).days, (last - _EPOCH).days)
        told = await self._ask(request)
        calls = self._calls(caller, request, told)
        return Used(told.documents, told.pages, told.tokens, told.storage_bytes, calls)

    def within_calls(self, caller: Identity) -> bool | None:
        """Whether the caller has calls left this month; None when that has to be asked for first."""
        known = self._known(caller)
        return None if known is None else self._calls(caller, known.asked, known.told) < self.plan(caller).calls

    async def require_calls(self, caller: Identity) -> None:
        """Raises TooMuch when the caller has no calls left this month."""
        known = self._known(caller) or await self._refreshed(caller)
        if self._calls(caller, known.asked, known.told) >= self.plan(caller).calls:
            raise _exceeded("calls", self.plan(caller).calls)

    async def require_room(self, caller: Identity) -> None:
        """Raises TooMuch when the caller's organization may take in no further document.

        Where a limit may be near it asks every time. Uploads under way at the same moment can go over by their number.
        """
        plan, known = self.plan(caller), self._known(caller)
        if known is None or known.may_be_close(plan):
            known = await self._refreshed(caller)
        for quota in ("documents", "pages", "storage_bytes"):
            limit: int = getattr(plan, quota)
            if getattr(known.told, quota) >= limit:
                raise _exceeded(quota, limit)
        known.uploads += 1

    def _known(self, caller: Identity) -> _Known | None:
        known = self._remembered.get(caller.organization_id)
        if known is None or known.until < time.monotonic() or known.asked.first_day != _month(self._meter.today)[0]:
            return None
        return known

    async def _refreshed(self, caller: Identity) -> _Known:
        request = self._request(*_month(self._meter.today))
        try:
            known = _Known(time.monotonic() + _REMEMBERED_SECONDS, request, await self._ask(request))
        except PagemeshError as error:  # what can do without the record goes on without it: by what was known last
            log.warning("plans hold by what was known last", extra={"reason": error.reason, "error": error.message})
            last = self._remembered.get(caller.organization_id)
            if last is None or last.asked.first_day != request.first_day:
                last = _Known(0.0, request, GetUsageResponse())
            known = replace(last, until=time.monotonic() + _UNKNOWN_SECONDS)
        self._remembered[caller.organization_id] = known
        self._remembered.move_to_end(caller.organization_id)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return known

    def _request(self, first_day: int, last_day: int) -> GetUsageRequest:
        yesterday = self._meter.today - 1
        return GetUsageRequest(
            first_day=first_day,
            last_day=last_day,
            gateway_id=self._meter.gateway_id,
            gateway_first_day=max(0, yesterday),
        )

    def _calls(self, caller: Identity, asked: GetUsageRequest, told: GetUsageResponse) -> int:
        """What was told, and what this gateway has counted beyond it."""
        first_day = max(asked.first_day, asked.gateway_first_day)
        own = self._meter.total(caller.organization_id, first_day, asked.last_day)
        return told.calls + max(0, own - told.calls_of_gateway)


def month_of(day: date) -> tuple[date, date]:
    """First and last day of the month."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


@lru_cache(maxsize=8)
def _month(today: int) -> tuple[int, int]:
    first, last = month_of(_EPOCH + timedelta(days=today))
    return (first - _EPOCH).days, (last - _EPOCH).days


def _exceeded(quota: str, limit: int) -> TooMuch:
    now = datetime.now(UTC)
    next_month = datetime.combine(month_of(now.date())[1] + timedelta(days=1), datetime.min.time(), UTC)
    seconds = max(1, round((next_month - now).total_seconds()))
    message = f"Your plan's limit is reached: {quota.replace('_', ' ')}, {limit}."
    return TooMuch(message, "QUOTA_EXCEEDED", quota=quota, limit=str(limit), retry_after=str(seconds))
