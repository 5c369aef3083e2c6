"""What the gateway remembers of organizations, and how it follows their changes."""

import asyncio
import uuid

import pytest

from mesh.errors import Unavailable
from pagemesh.auth.v1 import auth_pb2
from pagemesh.auth.v1.events_pb2 import IdentityEvent
from pagemesh.results.v1 import job_pb2
from services.gateway.organizations import Organizations
from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh

SUBJECT = "events.identity.organization_changed"


class Desk:
    """Answers for `auth`, when it is told to."""

    def __init__(self) -> None:
        self.name = "before"
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self) -> auth_pb2.Organization:
        self.asked += 1
        answer = auth_pb2.Organization(id="o", name=self.name)
        await self.may_answer.wait()
        return answer


def changed(organization: str = "o") -> bytes:
    """Word of a change."""
    return IdentityEvent(subject_id=organization).SerializeToString()


async def test_an_organization_is_asked_for_once_until_it_changes() -> None:
    """Word of its change is enough; word of another's is none."""
    desk = Desk()
    known = Organizations(desk.ask)
    for payload in (changed("another"), b"\xff garbage", changed()):
        await known.get("o")
        known.on_message(SUBJECT, payload)
    desk.name = "after"
    assert (1, "after", 2) == (desk.asked, (await known.get("o")).name, desk.asked)


async def test_an_answer_that_was_overtaken_is_not_kept() -> None:
    """What was asked before the change is good for that request alone."""
    desk = Desk()
    known = Organizations(desk.ask)
    desk.may_answer.clear()
    asking = asyncio.create_task(known.get("o"))
    await asyncio.sleep(0)
    known.on_message(SUBJECT, changed())
    desk.name = "after"
    desk.may_answer.set()
    assert "before" == (await asking).name
    assert "after" == (await known.get("o")).name


async def test_who_could_not_hear_forgets_everything() -> None:
    """After a reconnection nothing that was remembered counts."""
    desk = Desk()
    known = Organizations(desk.ask)
    await known.get("o")
    await known.forget_all()
    await known.get("o")
    assert 2 == desk.asked


async def test_what_cannot_be_asked_is_not_invented() -> None:
    """The error comes through, and nothing is remembered."""

    async def away() -> auth_pb2.Organization:
        raise Unavailable("Away.")

    with pytest.raises(Unavailable):
        await Organizations(away).get("o")


async def test_changed_limits_hold_from_the_next_request_on(mesh: Mesh) -> None:
    """And no sooner: nothing is asked of `auth` meanwhile."""
    organization = organization_id()
    async with mesh.client(organization) as client:
        first = await client.get("/api/v1/jobs")
        mesh.auth.rate_limits = auth_pb2.RateLimits(per_minute=7)
        second = await client.get("/api/v1/jobs")
        mesh.gateway.organizations.on_message(SUBJECT, changed(organization))
        third = await client.get("/api/v1/jobs")
    tier = '"minute";q=1000000000;w=60, "hour";q=1000000000;w=3600'
    assert [tier, tier, '"minute";q=7;w=60, "hour";q=1000000000;w=3600'] == [
        each.headers["ratelimit-policy"] for each in (first, second, third)
    ]


async def test_warm_polls_go_by_changed_limits(mesh: Mesh) -> None:
    """What is answered from memory is counted against the limits that hold now."""
    organization = organization_id()
    job = job_pb2.Job(id=str(uuid.uuid4()), type=job_pb2.JOB_TYPE_TEXT_EXTRACTION, state=job_pb2.JOB_STATE_COMPLETED)
    mesh.results.add(organization, job_pb2.Document(id=str(uuid.uuid4())), job)
    async with mesh.client(organization) as client:
        before = [(await client.get(f"/api/v1/jobs/{job.id}")).status_code for _ in range(3)]
        mesh.auth.rate_limits = auth_pb2.RateLimits(per_hour=5)
        mesh.gateway.organizations.on_message(SUBJECT, changed(organization))
        after = [(await client.get(f"/api/v1/jobs/{job.id}")).status_code for _ in range(3)]
    assert ([200, 200, 200], [200, 200, 429]) == (before, after)


async def test_the_tier_is_the_organizations_and_not_the_tokens(mesh: Mesh) -> None:
    """A token that was given out on another plan goes by the plan that holds."""
    organization = organization_id()
    async with mesh.client(organization) as client:
        await client.get("/api/v1/jobs")
        mesh.auth.tier = auth_pb2.TIER_PRO
        mesh.gateway.organizations.on_message(SUBJECT, changed(organization))
        answer = await client.get("/api/v1/jobs")
        usage = (await client.get("/api/v1/organizations/me/usage")).json()
    assert '"minute";q=100;w=60, "hour";q=5000;w=3600' == answer.headers["ratelimit-policy"]
    assert 1_000 == usage["limits"]["documents_per_month"]


async def test_without_auth_what_was_known_last_holds(mesh: Mesh) -> None:
    """A change that cannot be asked for leaves limits as they were; for who is not known the token says the tier."""
    known, unknown = organization_id(), str(uuid.uuid4())
    mesh.auth.rate_limits = auth_pb2.RateLimits(per_minute=7)
    async with mesh.client(known) as client, mesh.client(unknown) as stranger:
        await client.get("/api/v1/jobs")
        await mesh.servers["auth"].stop()
        mesh.gateway.organizations.on_message(SUBJECT, changed(known))
        told = [(await each.get("/api/v1/jobs")).headers["ratelimit-policy"] for each in (client, stranger)]
    assert ["7", "1000000000"] == [each.partition("q=")[2].partition(";")[0] for each in told]
