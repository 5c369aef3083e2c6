"""Limits and tiers that operators set, at two gateways that must hear of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.contract.governing import OF_TIERS, SOON, admin, mesh, organization_of, policies, settings
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh
from tests.support.operators import Admin

__all__ = ["admin", "mesh", "settings"]  # fixtures


async def _hour_that_goes_on() -> None:
    """Waits, rarely, until no hour ends in the next seconds."""
    left = 3600 - time.time() % 3600
    if left < 10:
        await asyncio.sleep(left + 0.01)


async def test_limits_are_set_and_cleared_each_on_its_own(mesh: IdentityMesh, admin: Admin) -> None:
    """Every gateway goes by them within a second; the rest stays as the tier has it."""
    person = await mesh.register()
    organization, token = organization_of(person), person.session["access_token"]
    assert await policies(mesh, token, *OF_TIERS)()  # both gateways remember the organization now
    steps: list[tuple[dict[str, int], tuple[str, ...]]] = [
        ({"per_minute": 300}, ('"minute";q=300;w=60', OF_TIERS[1])),
        ({"per_second": 5}, ('"second";q=5;w=1', '"minute";q=300;w=60', OF_TIERS[1])),
        ({"per_minute": 0, "per_hour": 700}, ('"second";q=5;w=1', OF_TIERS[0], '"hour";q=700;w=3600')),
        ({"per_second": 0}, (OF_TIERS[0], '"hour";q=700;w=3600')),
        ({"per_second": 0, "per_minute": 0, "per_hour": 0}, OF_TIERS),
    ]
    for change, expected in steps:
        for _ in range(2):  # a repeat changes nothing
            changed = await admin.client.set_rate_limits(organization, change)
        assert {name: limit or None for name, limit in change.items()}.items() <= changed["rate_limits"].items()
        await eventually(policies(mesh, token, *expected), within=SOON)
    other = await mesh.register()
    assert await policies(mesh, other.session["access_token"], *OF_TIERS)()


async def test_an_override_takes_exactly_so_many(mesh: IdentityMesh, admin: Admin) -> None:
    """What was accepted before counts, and so does what is asked while the gateway hears of it; it can be cleared."""
    await _hour_that_goes_on()
    person = await mesh.register()
    accepted = 0

    async def heard(policy: str) -> bool:
        nonlocal accepted
        answer = await person.client.get("/users/me")
        accepted += answer.status_code == 200
        return policy in answer.headers["ratelimit-policy"]

    assert await heard(OF_TIERS[1])
    await admin.client.set_rate_limits(organization_of(person), {"per_hour": 100})
    await eventually(lambda: heard('"hour";q=100;w=3600'), within=SOON)
    statuses = [(await person.client.get("/users/me")).status_code for _ in range(120)]
    assert (100, {429}) == (accepted + statuses.count(200), set(statuses[100 - accepted :]))
    await admin.client.set_rate_limits(organization_of(person), {"per_hour": 0})
    await eventually(lambda: heard(OF_TIERS[1]), within=SOON)
    assert 200 == (await person.client.get("/users/me")).status_code


async def test_a_tier_holds_at_once(mesh: IdentityMesh, admin: Admin) -> None:
    """For tokens that were given out on another tier, at every gateway; plans go by it, too."""
    person = await mesh.register()
    organization, token = organization_of(person), person.session["access_token"]

    def on(plan: int, tier: str) -> Callable[[], Awaitable[bool]]:
        async def ask() -> bool:
            clients = [mesh.bearer(token, replica) for replica in (0, 1)]
            tiers = {(await each.get("/organizations/me")).json()["tier"] for each in clients}
            usages = [(await each.get("/organizations/me/usage")) for each in clients]
            limits = {usage.json()["limits"]["documents_per_month"] for usage in usages}
            return (tiers, limits) == ({tier}, {plan})

        return ask

    assert await on(100, "free")()
    for tier, plan in (("pro", 1_000), ("enterprise", 100_000), ("enterprise", 100_000), ("free", 100)):
        assert tier == (await admin.client.set_tier(organization, tier))["tier"]
        await eventually(on(plan, tier), within=SOON)
