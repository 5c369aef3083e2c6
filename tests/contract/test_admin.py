"""What operators make and list, with the real `auth`, PostgreSQL and NATS."""

import uuid
from typing import Any

import pytest

from mesh.errors import AlreadyExists, InvalidArgument, NotFound, PagemeshError
from pagemesh.auth.v1 import admin_pb2, auth_pb2
from tests.contract.governing import ENDLESS, NOBODY, admin, code_of, mesh, organization_of, settings
from tests.support.identity_mesh import PASSWORD, IdentityMesh
from tests.support.operators import Admin

__all__ = ["admin", "mesh", "settings"]  # fixtures


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
            admin_pb2.SetRateLimitsRequest(organization_id=NOBODY, per_hour=ENDLESS + 1),
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
