"""Accounts, organizations and members over HTTP, with the real `auth` and two gateways."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, TypeAdapter

from services.gateway.surfaces.platform import shapes
from tests.contract.authing import settings_for
from tests.support.broker import eventually
from tests.support.identity_mesh import PASSWORD, IdentityMesh, Person, identity_mesh
from tests.support.servers import NatsServer


@pytest.fixture(scope="module")
async def mesh(fresh_database: Callable[[], str], nats_server: NatsServer) -> AsyncIterator[IdentityMesh]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        settings = settings_for(fresh_database(), Path(directory))
        nats = {"nats_url": SecretStr(nats_server.url)}
        async with identity_mesh(settings.model_copy(update=nats), Path(directory)) as running:
            yield running


def refused(mesh: IdentityMesh, person: Person, replica: int) -> Callable[[], Awaitable[bool]]:
    """Asks whether a gateway refuses the person's token."""

    async def ask() -> bool:
        client = mesh.bearer(person.session["access_token"], replica)
        return (await client.get("/users/me")).status_code == 401

    return ask


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]


async def test_a_session_that_ended_is_dead_at_every_gateway(mesh: IdentityMesh) -> None:
    """At the gateway that ended it at once, at the other soon; the refresh token at both."""
    person = await mesh.register()
    assert not await refused(mesh, person, 1)()
    assert 204 == (await person.client.post("/auth/logout")).status_code
    assert await refused(mesh, person, 0)()
    body = {"refresh_token": person.session["refresh_token"]}
    assert 401 == (await mesh.client(1).post("/auth/refresh", json=body)).status_code
    await eventually(refused(mesh, person, 1))


async def test_people_change_their_own_account(mesh: IdentityMesh) -> None:
    """What is left out stays; the whole account comes back and is what is read next."""
    person = await mesh.register()
    before = (await person.client.get("/users/me")).json()
    assert {"theme": "system", "notifications": True, "language": "en"} == before["preferences"]
    named = (await person.client.put("/users/me", json={"full_name": " Maria Skłodowska "})).json()
    chosen = (await person.client.put("/users/me", json={"preferences": {"theme": "dark"}})).json()
    assert ("Maria Skłodowska", "dark", True) == (
        chosen["full_name"],
        chosen["preferences"]["theme"],
        chosen["preferences"]["notifications"],
    )
    more = {"preferences": {"notifications": False, "language": "pl"}}
    merged = (await person.client.put("/users/me", json=more)).json()
    assert {"theme": "dark", "notifications": False, "language": "pl"} == merged["preferences"]
    assert merged == (await person.client.get("/users/me")).json()
    assert before["updated_at"] < named["updated_at"] < merged["updated_at"]
    TypeAdapter(shapes.Me).validate_python(merged, strict=True)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/users/me", {"full_name": " "}, "full_name"),
        ("/users/me", {"email": "other@example.org"}, "email"),
        ("/users/me", {"preferences": {"theme": ""}}, "preferences.theme"),
        ("/users/me", {"preferences": {"notifications": "yes"}}, "preferences.notifications"),
        ("/users/me", {"preferences": {"language": "klingon language"}}, "preferences.language"),
        ("/organizations/me", {"name": ""}, "name"),
        ("/organizations/me", {"tier": "enterprise"}, "tier"),
        ("/organizations/me", {"settings": {"max_file_size_mb": 0}}, "settings.max_file_size_mb"),
        ("/organizations/me", {"settings": {"max_file_size_mb": 501}}, "settings.max_file_size_mb"),
        ("/organizations/me", {"settings": {"max_file_size_mb": 5.5}}, "settings.max_file_size_mb"),
        ("/organizations/me", {"settings": {"retention_days": 0}}, "settings.retention_days"),
        ("/organizations/me", {"settings": {"zero_log": 1}}, "settings.zero_log"),
        ("/organizations/me", {"settings": {"colour": "red"}}, "settings.colour"),
    ],
)
async def test_wrong_changes_name_the_field(mesh: IdentityMesh, path: str, body: dict[str, object], field: str) -> None:
    """Out of range, of another type or unknown: 422, and nothing has changed."""
    person = await mesh.register()
    before = (await person.client.get(path)).json()
    answer = await person.client.put(path, json=body)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert before == (await person.client.get(path)).json()


async def test_admins_change_their_organization(mesh: IdentityMesh) -> None:
    """Settings merge, the limits themselves are allowed, and members see the same."""
    admin = await mesh.register(organization_name="Before")
    body = {"name": "After", "settings": {"max_file_size_mb": 500, "zero_log": True}}
    changed = (await admin.client.put("/organizations/me", json=body)).json()
    assert ("After", 500, 90, True, True) == (
        changed["name"],
        *(changed["settings"][name] for name in ("max_file_size_mb", "retention_days", "allow_sharing", "zero_log")),
    )
    TypeAdapter(shapes.Organization).validate_python(changed, strict=True)
    member = await mesh.join(admin)
    seen = (await member.client.get("/organizations/me")).json()
    assert {**changed, "member_count": 2} == seen


async def test_deleting_the_last_account_closes_the_organization(mesh: IdentityMesh) -> None:
    """Tokens are dead at once, the password opens nothing, and the address is free again."""
    person = await mesh.register()
    assert 204 == (await person.client.delete("/users/me")).status_code
    assert await refused(mesh, person, 0)()
    await eventually(refused(mesh, person, 1))
    refresh = await mesh.client().post("/auth/refresh", json={"refresh_token": person.session["refresh_token"]})
    assert [401, 401] == [refresh.status_code, (await mesh.login(person)).status_code]
    again = await mesh.register(email=person.email)
    assert person.session["user"]["id"] != again.session["user"]["id"]


async def test_members_join_by_invitation(mesh: IdentityMesh) -> None:
    """The invitation is good once, gives the role that it names, and the list shows who came, oldest first."""
    admin = await mesh.register(organization_name="Institut")
    email = f"{uuid.uuid4()}@example.org"
    invited = await admin.client.post("/organizations/me/members", json={"email": email, "role": "admin"})
    assert (201, "no-store", email, "admin") == (
        invited.status_code,
        invited.headers["cache-control"],
        invited.json()["email"],
        invited.json()["role"],
    )
    TypeAdapter(shapes.Invitation).validate_python(invited.json(), strict=True)
    body = {"token": invited.json()["token"], "password": PASSWORD, "full_name": "Irène"}
    accepted = await mesh.client().post("/auth/invitations/accept", json=body)
    user = accepted.json()["user"]
    assert (201, email, "admin", "Institut") == (
        accepted.status_code,
        user["email"],
        user["role"],
        user["organization_name"],
    )
    assert (400, "invalid_invitation") == told(await mesh.client().post("/auth/invitations/accept", json=body))
    listed = (await admin.client.get("/organizations/me/members", params={"per_page": 1})).json()
    assert ([admin.email], 2, 2) == ([each["email"] for each in listed["items"]], listed["total"], listed["pages"])
    assert 200 == (await mesh.login(mesh.person(accepted.json()))).status_code


async def test_bad_invitations(mesh: IdentityMesh) -> None:
    """Unknown, replaced and expired ones are refused; who has an account cannot be invited; weak passwords stay out."""
    admin = await mesh.register()
    wanted = {"email": f"{uuid.uuid4()}@example.org", "role": "user"}
    first, second = [
        (await admin.client.post("/organizations/me/members", json=wanted)).json()["token"] for _ in range(2)
    ]
    accept = {"password": PASSWORD, "full_name": "Ève"}
    for token in ("pmi_unknown", first):
        answer = await mesh.client().post("/auth/invitations/accept", json={**accept, "token": token})
        assert (400, "invalid_invitation") == told(answer)
    weak = {**accept, "token": second, "password": "password12"}
    assert 422 == (await mesh.client().post("/auth/invitations/accept", json=weak)).status_code
    await mesh.sql("UPDATE invitations SET expires_at = now() WHERE email = %s", wanted["email"])
    expired = await mesh.client().post("/auth/invitations/accept", json={**accept, "token": second})
    assert (400, "invalid_invitation") == told(expired)
    taken = await admin.client.post("/organizations/me/members", json={"email": admin.email.upper(), "role": "user"})
    assert (409, "email_taken") == told(taken)


async def test_only_admins_govern(mesh: IdentityMesh) -> None:
    """For a plain member every governing call is 403, and changes nothing."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    one = f"/organizations/me/members/{admin.session['user']['id']}"
    answers = [
        await member.client.put("/organizations/me", json={"name": "Mine"}),
        await member.client.get("/organizations/me/members"),
        await member.client.post("/organizations/me/members", json={"email": "x@example.org", "role": "user"}),
        await member.client.patch(one, json={"role": "user"}),
        await member.client.delete(one),
    ]
    assert [(403, "forbidden")] * 5 == [told(each) for each in answers]


async def test_a_disabled_member_is_out_at_once_and_can_come_back(mesh: IdentityMesh) -> None:
    """Tokens die at every gateway, login is 403; enabled again, a new login works right away and old tokens do not."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    one = f"/organizations/me/members/{member.session['user']['id']}"
    disabled = await admin.client.patch(one, json={"is_active": False})
    assert (200, False) == (disabled.status_code, disabled.json()["is_active"])
    assert await refused(mesh, member, 0)()
    await eventually(refused(mesh, member, 1))
    assert (403, "account_disabled") == told(await mesh.login(member))
    assert 200 == (await admin.client.patch(one, json={"is_active": True})).status_code
    back = mesh.person((await mesh.login(member)).json())
    assert [200, 401] == [(await each.client.get("/users/me")).status_code for each in (back, member)]


async def test_a_demoted_admin_loses_the_right_at_once(mesh: IdentityMesh) -> None:
    """Tokens that say admin are dead; the session goes on, with the lesser role, by its refresh token."""
    admin = await mesh.register()
    other = await mesh.join(admin, "admin")
    one = f"/organizations/me/members/{other.session['user']['id']}"
    assert "user" == (await admin.client.patch(one, json={"role": "user"})).json()["role"]
    assert await refused(mesh, other, 0)()
    body = {"refresh_token": other.session["refresh_token"]}
    refreshed = (await mesh.client().post("/auth/refresh", json=body)).json()
    client = mesh.bearer(refreshed["access_token"])
    assert "user" == (await client.get("/users/me")).json()["role"]
    assert 403 == (await client.get("/organizations/me/members")).status_code
    assert "admin" == (await admin.client.patch(one, json={"role": "admin"})).json()["role"]
    assert 200 == (await client.get("/organizations/me/members")).status_code


async def test_a_removed_member_is_gone(mesh: IdentityMesh) -> None:
    """Its tokens are dead, it is in no list, and it cannot be changed any more."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    one = f"/organizations/me/members/{member.session['user']['id']}"
    assert [204, 404] == [(await admin.client.delete(one)).status_code for _ in range(2)]
    assert await refused(mesh, member, 0)()
    assert 1 == (await admin.client.get("/organizations/me/members")).json()["total"]
    assert 404 == (await admin.client.patch(one, json={"role": "admin"})).status_code


async def test_the_last_admin_stays(mesh: IdentityMesh) -> None:
    """While there are other members the last admin can neither be demoted, disabled nor removed, nor leave."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    one = f"/organizations/me/members/{admin.session['user']['id']}"
    answers = [
        await admin.client.patch(one, json={"role": "user"}),
        await admin.client.patch(one, json={"is_active": False}),
        await admin.client.delete(one),
        await admin.client.delete("/users/me"),
    ]
    assert [(409, "last_admin")] * 4 == [told(each) for each in answers]
    promoted = f"/organizations/me/members/{member.session['user']['id']}"
    assert 200 == (await admin.client.patch(promoted, json={"role": "admin"})).status_code
    assert 204 == (await admin.client.delete("/users/me")).status_code
    assert 409 == (await member.client.patch(promoted, json={"role": "user"})).status_code


async def test_other_organizations_members_do_not_exist(mesh: IdentityMesh) -> None:
    """Somebody else's member, an unknown one and no id at all are the same 404, byte for byte."""
    admin, stranger = await mesh.register(), await mesh.register()
    paths = [
        f"/organizations/me/members/{name}" for name in (stranger.session["user"]["id"], uuid.uuid4(), "not-an-id")
    ]
    changes = [await admin.client.patch(path, json={"role": "user"}) for path in paths]
    removals = [await admin.client.delete(path) for path in paths]
    assert {404} == {each.status_code for each in (*changes, *removals)}
    assert 1 == len({each.content for each in (*changes, *removals)})
    assert 200 == (await stranger.client.get("/users/me")).status_code
