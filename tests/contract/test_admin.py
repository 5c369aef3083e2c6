"""What operators do, with the real `auth`, PostgreSQL and NATS, and two gateways that must hear of it."""

import asyncio
import json
import logging
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh import client, context
from mesh.bus import Bus
from mesh.errors import AlreadyExists, InvalidArgument, NotFound, PagemeshError, Unauthenticated
from mesh.verifier import remote_verifier
from pagemesh.auth.v1 import admin_pb2, auth_pb2, auth_pb2_grpc
from services.auth.settings import AuthSettings
from tests.contract.authing import settings_for
from tests.contract.test_oauth import make as make_client
from tests.contract.test_oauth import token_of
from tests.support.broker import eventually
from tests.support.identity_mesh import PASSWORD, IdentityMesh, Person, identity_mesh
from tests.support.operators import NAME, Admin, administering
from tests.support.servers import NatsServer

NOBODY = "00000000-0000-4000-8000-000000000000"
_SOON = 1.0
"""Seconds within which every gateway must know."""


@pytest.fixture(scope="module")
def settings(fresh_database: Callable[[], str], nats_server: NatsServer) -> Iterator[AuthSettings]:
    """Settings of the service."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        changed = {"nats_url": SecretStr(nats_server.url)}
        yield settings_for(fresh_database(), Path(directory)).model_copy(update=changed)


@pytest.fixture(scope="module")
async def mesh(settings: AuthSettings) -> AsyncIterator[IdentityMesh]:
    """A running mesh."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with identity_mesh(settings, Path(directory)) as running:
            yield running


@pytest.fixture(scope="module")
async def admin(mesh: IdentityMesh, settings: AuthSettings) -> AsyncIterator[Admin]:
    """An operator."""
    async with administering(settings) as operator:
        yield operator


def organization_of(person: Person) -> str:
    """Id of the person's organization."""
    return str(person.session["user"]["organization_id"])


def policies(mesh: IdentityMesh, token: str, *expected: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether both gateways tell of these limits."""

    async def ask() -> bool:
        told = [(await mesh.bearer(token, replica).get("/users/me")).headers for replica in (0, 1)]
        return all(header["ratelimit-policy"] == ", ".join(expected) for header in told)

    return ask


def answered(mesh: IdentityMesh, token: str, status: int, path: str = "/users/me") -> Callable[[], Awaitable[bool]]:
    """Asks whether both gateways answer so."""

    async def ask() -> bool:
        return {status} == {(await mesh.bearer(token, replica).get(path)).status_code for replica in (0, 1)}

    return ask


async def code_of(asking: Awaitable[object]) -> tuple[type[PagemeshError], str, str]:
    """Kind, code and field of the refusal."""
    with pytest.raises(PagemeshError) as caught:
        await asking
    return type(caught.value), caught.value.code, caught.value.details.get("field", "")


async def _hour_that_goes_on() -> None:
    """Waits, rarely, until no hour ends in the next seconds."""
    left = 3600 - time.time() % 3600
    if left < 10:
        await asyncio.sleep(left + 0.01)


_ENDLESS = 1_000_000_000
_OF_TIERS = (f'"minute";q={_ENDLESS};w=60', f'"hour";q={_ENDLESS};w=3600')


async def test_an_organization_and_its_users(mesh: IdentityMesh, admin: Admin) -> None:
    """Made by an operator, people log in to it as if they had registered."""
    made = await admin.client.create_organization(" Institut du Radium ", "pro")
    assert ("Institut du Radium", "pro", True, 0) == tuple(
        made[name] for name in ("name", "tier", "is_active", "member_count")
    )
    email = f"{uuid.uuid4()}@example.org"
    user = await admin.client.create_user(made["id"], email, "Marie Curie", "admin", PASSWORD)
    assert (email, "admin", True, made["id"], None) == tuple(
        user[name] for name in ("email", "role", "is_active", "organization_id", "last_login")
    )
    login = await mesh.client().post("/auth/login", json={"email": email, "password": PASSWORD})
    session = login.json()
    assert (200, user["id"], "admin", "pro") == (
        login.status_code,
        *(session["user"][name] for name in ("id", "role", "tier")),
    )
    person = mesh.person(session)
    assert (
        201
        == (
            await person.client.post("/organizations/me/members", json={"email": "pierre@example.org", "role": "user"})
        ).status_code
    )
    assert 1 == (await admin.client.organization(made["id"]))["member_count"]
    assert session["user"]["last_login"] == (await admin.client.user(email))["last_login"]


async def test_organizations_may_share_a_name_and_users_no_address(admin: Admin) -> None:
    """A repeat makes another organization; an address is taken once, in whatever case."""
    one, other = [await admin.client.create_organization("Twice", None) for _ in range(2)]
    assert (True, "free") == (one["id"] != other["id"], other["tier"])
    email = f"{uuid.uuid4()}@example.org"
    await admin.client.create_user(one["id"], email, "A", "user", PASSWORD)
    again = admin.client.create_user(other["id"], email.upper(), "B", "user", PASSWORD)
    assert (AlreadyExists, "email_taken", "") == await code_of(again)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (admin_pb2.CreateOrganizationRequest(name=" "), (InvalidArgument, "invalid_argument", "name")),
        (admin_pb2.CreateOrganizationRequest(name="a\0b"), (InvalidArgument, "invalid_argument", "name")),
        (admin_pb2.CreateOrganizationRequest(name="A", tier=9), (InvalidArgument, "invalid_argument", "tier")),  # type: ignore[arg-type]
        (admin_pb2.SetTierRequest(organization_id=NOBODY), (InvalidArgument, "invalid_argument", "tier")),
        (admin_pb2.SetTierRequest(organization_id=NOBODY, tier=auth_pb2.TIER_PRO), (NotFound, "not_found", "")),
        (admin_pb2.SetTierRequest(organization_id="x'--", tier=auth_pb2.TIER_PRO), (NotFound, "not_found", "")),
        (admin_pb2.LookUpOrganizationRequest(), (NotFound, "not_found", "")),
        (admin_pb2.LookUpOrganizationRequest(organization_id="\0"), (NotFound, "not_found", "")),
        (admin_pb2.SetRateLimitsRequest(organization_id=NOBODY, per_hour=1), (NotFound, "not_found", "")),
        (admin_pb2.SetRateLimitsRequest(organization_id=NOBODY), (InvalidArgument, "invalid_argument", "per_minute")),
        (
            admin_pb2.SetRateLimitsRequest(organization_id=NOBODY, per_second=-1),
            (InvalidArgument, "invalid_argument", "per_second"),
        ),
        (
            admin_pb2.SetRateLimitsRequest(organization_id=NOBODY, per_hour=_ENDLESS + 1),
            (InvalidArgument, "invalid_argument", "per_hour"),
        ),
        (admin_pb2.SetOrganizationActiveRequest(organization_id=NOBODY), (NotFound, "not_found", "")),
        (admin_pb2.SetOrganizationActiveRequest(organization_id="", is_active=True), (NotFound, "not_found", "")),
        (admin_pb2.LookUpUserRequest(user=NOBODY), (NotFound, "not_found", "")),
        (admin_pb2.LookUpUserRequest(user="nobody@example.org"), (NotFound, "not_found", "")),
        (admin_pb2.LookUpUserRequest(user="a\0@example.org"), (NotFound, "not_found", "")),
        (admin_pb2.LookUpUserRequest(), (NotFound, "not_found", "")),
        (admin_pb2.SetUserActiveRequest(user="nobody@example.org"), (NotFound, "not_found", "")),
        (admin_pb2.SetUserActiveRequest(user=NOBODY, is_active=True), (NotFound, "not_found", "")),
        (admin_pb2.ListOrganizationsRequest(page=0, per_page=20), (InvalidArgument, "invalid_argument", "page")),
        (admin_pb2.ListOrganizationsRequest(page=1, per_page=101), (InvalidArgument, "invalid_argument", "page")),
        (
            admin_pb2.ListOrganizationsRequest(search="\0", page=1, per_page=1),
            (InvalidArgument, "invalid_argument", "search"),
        ),
        (
            admin_pb2.ListUsersRequest(search="a" * 255, page=1, per_page=1),
            (InvalidArgument, "invalid_argument", "search"),
        ),
        (admin_pb2.ListUsersRequest(page=-1, per_page=1), (InvalidArgument, "invalid_argument", "page")),
        (admin_pb2.ListUsersRequest(organization_id=NOBODY, page=1, per_page=1), (NotFound, "not_found", "")),
        (admin_pb2.ListOperatorActionsRequest(page=1, per_page=0), (InvalidArgument, "invalid_argument", "page")),
        (admin_pb2.ListOperatorActionsRequest(organization_id="?", page=1, per_page=1), (NotFound, "not_found", "")),
    ],
)
async def test_garbage_is_told_and_changes_nothing(
    admin: Admin, request_: Any, expected: tuple[type[PagemeshError], str, str]
) -> None:
    """What is wrong is named, what is not there is not there, and nothing is recorded."""
    before = (await admin.client.actions("", 1, 1))["total"]
    assert expected == await code_of(admin.send(request_))
    assert before == (await admin.client.actions("", 1, 1))["total"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"organization_id": NOBODY}, (NotFound, "not_found", "")),
        ({"organization_id": "garbage"}, (NotFound, "not_found", "")),
        ({"email": "nobody"}, (InvalidArgument, "invalid_argument", "email")),
        ({"email": "a\0@example.org"}, (InvalidArgument, "invalid_argument", "email")),
        ({"full_name": ""}, (InvalidArgument, "invalid_argument", "full_name")),
        ({"role": auth_pb2.ROLE_UNSPECIFIED}, (InvalidArgument, "invalid_argument", "role")),
        ({"role": auth_pb2.ROLE_SERVICE}, (InvalidArgument, "invalid_argument", "role")),
        ({"password": "short"}, (InvalidArgument, "weak_password", "password")),
        ({"password": "password12"}, (InvalidArgument, "weak_password", "password")),
        ({"password": "a" * 257}, (InvalidArgument, "invalid_argument", "password")),
    ],
)
async def test_a_user_that_cannot_be(
    mesh: IdentityMesh, admin: Admin, changed: dict[str, Any], expected: tuple[type[PagemeshError], str, str]
) -> None:
    """The rules are those of registering."""
    organization = organization_of(await mesh.register())
    good: dict[str, Any] = {
        "organization_id": organization,
        "email": f"{uuid.uuid4()}@example.org",
        "full_name": "A",
        "role": auth_pb2.ROLE_USER,
        "password": PASSWORD,
    }
    assert expected == await code_of(admin.send(admin_pb2.CreateUserRequest(**{**good, **changed})))
    assert 1 == (await admin.client.users(organization, "", 1, 1))["total"]


async def test_limits_are_set_and_cleared_each_on_its_own(mesh: IdentityMesh, admin: Admin) -> None:
    """Every gateway goes by them within a second; the rest stays as the tier has it."""
    person = await mesh.register()
    organization, token = organization_of(person), person.session["access_token"]
    assert await policies(mesh, token, *_OF_TIERS)()  # both gateways remember the organization now
    steps: list[tuple[dict[str, int], tuple[str, ...]]] = [
        ({"per_minute": 300}, ('"minute";q=300;w=60', _OF_TIERS[1])),
        ({"per_second": 5}, ('"second";q=5;w=1', '"minute";q=300;w=60', _OF_TIERS[1])),
        ({"per_minute": 0, "per_hour": 700}, ('"second";q=5;w=1', _OF_TIERS[0], '"hour";q=700;w=3600')),
        ({"per_second": 0}, (_OF_TIERS[0], '"hour";q=700;w=3600')),
        ({"per_second": 0, "per_minute": 0, "per_hour": 0}, _OF_TIERS),
    ]
    for change, expected in steps:
        for _ in range(2):  # a repeat changes nothing
            changed = await admin.client.set_rate_limits(organization, change)
        assert {name: limit or None for name, limit in change.items()}.items() <= changed["rate_limits"].items()
        await eventually(policies(mesh, token, *expected), within=_SOON)
    other = await mesh.register()
    assert await policies(mesh, other.session["access_token"], *_OF_TIERS)()


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

    assert await heard(_OF_TIERS[1])
    await admin.client.set_rate_limits(organization_of(person), {"per_hour": 100})
    await eventually(lambda: heard('"hour";q=100;w=3600'), within=_SOON)
    statuses = [(await person.client.get("/users/me")).status_code for _ in range(120)]
    assert (100, {429}) == (accepted + statuses.count(200), set(statuses[100 - accepted :]))
    await admin.client.set_rate_limits(organization_of(person), {"per_hour": 0})
    await eventually(lambda: heard(_OF_TIERS[1]), within=_SOON)
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
        await eventually(on(plan, tier), within=_SOON)


async def test_a_disabled_organization_is_outside(mesh: IdentityMesh, admin: Admin) -> None:
    """Sessions, API keys and OAuth clients are refused everywhere within a second; others do not notice."""
    governor, other = await mesh.register(), await mesh.register()
    member = await mesh.join(governor)
    key = (await governor.client.post("/api-keys", json={"name": "a program"})).json()["key"]
    machine = await make_client(governor)
    tokens = [governor.session["access_token"], member.session["access_token"], key]
    for token in tokens:
        assert await answered(mesh, token, 200)()
    machine_token = await token_of(mesh, machine)
    assert await answered(mesh, machine_token, 200, "/documents")()

    for _ in range(2):  # again is no harm
        disabled = await admin.client.set_organization_active(organization_of(governor), False)
        assert disabled["is_active"] is False
    for token in tokens:
        await eventually(answered(mesh, token, 401), within=_SOON)
    await eventually(answered(mesh, machine_token, 401, "/documents"), within=_SOON)
    login = await mesh.login(member)
    assert (403, "account_disabled") == (login.status_code, login.json()["error"])
    spent = await mesh.client().post("/auth/refresh", json={"refresh_token": member.session["refresh_token"]})
    form = {"client_id": machine["client_id"], "client_secret": machine["client_secret"]}
    refused = await mesh.client().post("http://gateway/auth/token", data={**form, "grant_type": "client_credentials"})
    assert [(401, "invalid_refresh_token"), (401, "invalid_client")] == [
        (answer.status_code, answer.json()["error"]) for answer in (spent, refused)
    ]
    assert await answered(mesh, other.session["access_token"], 200)()


async def test_an_enabled_organization_is_inside_again(mesh: IdentityMesh, admin: Admin) -> None:
    """Keys and clients work again, people log in anew; what was given out before is dead for good."""
    governor = await mesh.register()
    key = (await governor.client.post("/api-keys", json={"name": "a program"})).json()["key"]
    machine = await make_client(governor)
    machine_token = await token_of(mesh, machine)
    assert await answered(mesh, key, 200)()
    for is_active in (False, True, True):
        changed = await admin.client.set_organization_active(organization_of(governor), is_active)
        assert is_active == changed["is_active"]
    await eventually(answered(mesh, governor.session["access_token"], 401), within=_SOON)
    await eventually(answered(mesh, machine_token, 401, "/documents"), within=_SOON)
    await eventually(answered(mesh, key, 200), within=_SOON)
    refreshed = await mesh.client().post("/auth/refresh", json={"refresh_token": governor.session["refresh_token"]})
    assert 401 == refreshed.status_code
    again = (await mesh.login(governor)).json()["access_token"]
    assert await answered(mesh, again, 200)()
    assert await answered(mesh, await token_of(mesh, machine), 200, "/documents")()


async def test_services_go_on_for_a_disabled_organization(
    mesh: IdentityMesh, admin: Admin, settings: AuthSettings
) -> None:
    """What it had begun has to be put away: tokens of services that were given out before are good, users' are not."""
    person = await mesh.register()
    organization = organization_of(person)
    issue = auth_pb2_grpc.TokenServiceStub(admin.channel).IssueServiceToken
    request = auth_pb2.IssueServiceTokenRequest(
        service="analysis", secret="shared among services", organization_id=organization
    )
    before = (await client.call(issue, request)).access_token
    await admin.client.set_organization_active(organization, False)
    bus = await Bus.connect(settings)
    verifier = await remote_verifier(settings.model_copy(update={"auth_url": settings.listen}), bus)

    async def is_dead() -> bool:
        try:
            await verifier.verify(person.session["access_token"])
        except Unauthenticated:
            return True
        return False

    await eventually(is_dead, within=_SOON)
    after = (await client.call(issue, request)).access_token
    assert {organization} == {(await verifier.verify(token)).organization_id for token in (before, after)}
    await bus.close()


async def test_a_login_that_meets_the_disabling_stays_outside(
    mesh: IdentityMesh, admin: Admin, settings: AuthSettings
) -> None:
    """Whoever gave the right password a moment before gets no token that would outlive it."""
    person = await mesh.register()
    disable = "UPDATE organizations SET is_active = false, generation = generation + 1 WHERE id = %s"
    async with mesh.connection() as connection:
        await connection.execute(disable.encode(), [organization_of(person)])  # not seen by others yet
        logging_in = asyncio.create_task(mesh.login(person))
        await eventually(mesh.somebody_waits)
        await connection.commit()
    refused = await logging_in
    assert (403, "account_disabled") == (refused.status_code, refused.json()["error"])


async def test_a_disabled_user_is_outside_until_enabled(mesh: IdentityMesh, admin: Admin) -> None:
    """Named by address or id, admin or not; the rest of the organization does not notice."""
    governor = await mesh.register()
    member = await mesh.join(governor)
    user_id = member.session["user"]["id"]
    assert await answered(mesh, member.session["access_token"], 200)()
    for reference in (member.email.upper(), user_id):  # a repeat is no harm
        assert False is (await admin.client.set_user_active(reference, False))["is_active"]
    await eventually(answered(mesh, member.session["access_token"], 401), within=_SOON)
    assert 403 == (await mesh.login(member)).status_code
    assert await answered(mesh, governor.session["access_token"], 200)()
    assert True is (await admin.client.set_user_active(user_id, True))["is_active"]
    assert 200 == (await mesh.login(member)).status_code
    assert await answered(mesh, member.session["access_token"], 401)()


async def test_the_last_admin_is_not_spared(mesh: IdentityMesh, admin: Admin) -> None:
    """Operators can make another; admins themselves still cannot disable the last."""
    governor = await mesh.register()
    await mesh.join(governor)
    path = f"/organizations/me/members/{governor.session['user']['id']}"
    assert 409 == (await governor.client.patch(path, json={"is_active": False})).status_code
    await admin.client.set_user_active(governor.email, False)
    await eventually(answered(mesh, governor.session["access_token"], 401), within=_SOON)


async def test_deleting_the_last_account_ends_the_organizations_tokens(mesh: IdentityMesh) -> None:
    """Its OAuth clients are refused, too."""
    person = await mesh.register()
    token = await token_of(mesh, await make_client(person))
    assert await answered(mesh, token, 200, "/documents")()
    assert 204 == (await person.client.delete("/users/me")).status_code
    await eventually(answered(mesh, token, 401, "/documents"), within=_SOON)


async def test_lists_are_searched_and_paged(mesh: IdentityMesh, admin: Admin) -> None:
    """By a part of the name, in whatever case, by id; signs stand for themselves; pages do not overlap."""
    mark = uuid.uuid4().hex
    made = [await admin.client.create_organization(f"{mark} 100% Ünïcode_{number}", None) for number in range(3)]
    pages = [await admin.client.organizations(f"{mark.upper()} 100% ÜN", page, 2) for page in (1, 2, 3)]
    assert [[one["id"] for one in made[:2]], [made[2]["id"]], []] == [
        [one["id"] for one in page["items"]] for page in pages
    ]
    assert {(3, 2)} == {(page["total"], page["pages"]) for page in pages}
    assert [made[1]["id"]] == [one["id"] for one in (await admin.client.organizations(made[1]["id"], 1, 20))["items"]]
    assert 0 == (await admin.client.organizations(f"{mark}%", 1, 20))["total"]
    assert 0 == (await admin.client.organizations(f"{mark}_100", 1, 20))["total"]
    emails = [f"{mark}-{number}@example.org" for number in range(2)]
    for email in emails:
        await admin.client.create_user(made[0]["id"], email, f"Person {mark}", "user", PASSWORD)
    for search in (mark, f"PERSON {mark}", ""):
        found = await admin.client.users(made[0]["id"], search, 1, 20)
        assert emails == [one["email"] for one in found["items"]]
    assert [2, 1, 0] == [
        (await admin.client.users("", text, 1, 1))["total"] for text in (mark, emails[0], f"{mark}nobody")
    ]


async def test_who_was_deleted_is_not_listed(mesh: IdentityMesh, admin: Admin) -> None:
    """Nor found."""
    person = await mesh.register()
    await person.client.delete("/users/me")
    assert 0 == (await admin.client.users("", person.email, 1, 1))["total"]
    assert (NotFound, "not_found", "") == await code_of(admin.client.user(person.email))


async def test_the_next_signing_key_is_made_once(mesh: IdentityMesh, admin: Admin) -> None:
    """It is published at once and signs later; a repeat finds it; tokens go on being good."""
    person = await mesh.register()
    first, again = await admin.client.rotate_keys(), await admin.client.rotate_keys()
    assert (True, False) == (first["made"], again["made"])
    assert {**first, "made": False} == again
    assert first["next"]["signs_from"] > first["signing"]["signs_from"]
    published = (await mesh.client().get("http://gateway/.well-known/jwks.json")).json()["keys"]
    assert [first["signing"]["kid"], first["next"]["kid"]] == [key["kid"] for key in published]
    assert 200 == (await person.client.get("/users/me")).status_code
    assert 200 == (await mesh.login(person)).status_code


async def test_every_change_is_recorded_logged_and_told(
    mesh: IdentityMesh, admin: Admin, settings: AuthSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Who did what, when, to whom, with what it was before; no password is in it."""
    heard: dict[str, admin_pb2.OperatorAction] = {}
    bus = await Bus.connect(settings)
    await bus.listen("events.operator.>", lambda subject, payload: _hear(heard, subject, payload))
    await bus.connection.flush()
    with caplog.at_level(logging.INFO, "services.auth.administration"):
        organization = (await admin.client.create_organization("Recorded", "free"))["id"]
        user = await admin.client.create_user(
            organization, f"{uuid.uuid4()}@example.org", "A", "user", "a secret that must not be told"
        )
        await admin.client.set_tier(organization, "pro")
        await admin.client.set_rate_limits(organization, {"per_minute": 7})
        await admin.client.set_rate_limits(organization, {"per_minute": 0, "per_hour": 9})
        await admin.client.set_user_active(user["id"], False)
        await admin.client.set_user_active(user["id"], True)
        await admin.client.set_organization_active(organization, False)
        await admin.client.set_organization_active(organization, True)
    recorded = await admin.client.actions(organization, 1, 20)
    expected: list[tuple[str, str | None, dict[str, str]]] = [
        ("organization_created", None, {"name": "Recorded", "tier": "free"}),
        ("user_created", user["id"], {"role": "user"}),
        ("tier_set", None, {"tier": "pro", "before.tier": "free"}),
        ("rate_limits_set", None, {"per_minute": "7", "before.per_minute": ""}),
        (
            "rate_limits_set",
            None,
            {"per_minute": "", "before.per_minute": "7", "per_hour": "9", "before.per_hour": ""},
        ),
        ("user_disabled", user["id"], {}),
        ("user_enabled", user["id"], {}),
        ("organization_disabled", None, {}),
        ("organization_enabled", None, {}),
    ]
    oldest_first = recorded["items"][::-1]
    assert expected == [(one["action"], one["user_id"], one["details"]) for one in oldest_first]
    assert {(NAME, organization)} == {(one["operator"], one["organization_id"]) for one in oldest_first}
    assert sorted(one["occurred_at"] for one in oldest_first) == [one["occurred_at"] for one in oldest_first]
    logged = [(one.__dict__["action"], one.__dict__["operator"], one.__dict__["details"]) for one in caplog.records]
    assert [(action, NAME, details) for action, _, details in expected] == logged

    async def all_told() -> bool:
        return {str(one["id"]) for one in oldest_first} <= set(heard)

    await eventually(all_told)
    told = [heard[str(one["id"])] for one in oldest_first]
    assert expected == [(one.action, one.user_id or None, dict(one.details)) for one in told]
    assert "must not be told" not in json.dumps(recorded) + "".join(str(each.__dict__) for each in caplog.records)
    await bus.close()


def _hear(heard: dict[str, admin_pb2.OperatorAction], subject: str, payload: bytes) -> None:
    action = admin_pb2.OperatorAction.FromString(payload)
    assert subject == f"events.operator.{action.action}"
    heard[str(action.id)] = action


async def test_what_was_recorded_is_read_in_pages(admin: Admin) -> None:
    """Newest first, of one organization or of all."""
    context.bearer_token.set("")
    made = [await admin.client.create_organization("Paged", None) for _ in range(2)]
    newest = await admin.client.actions("", 1, 2)
    assert [made[1]["id"], made[0]["id"]] == [one["organization_id"] for one in newest["items"]]
    assert newest["total"] > 2
    assert 1 == (await admin.client.actions(made[0]["id"], 1, 2))["total"]
