"""Whom operators lock out and let in again, at two gateways that must hear of it."""

import asyncio

from mesh import client
from mesh.bus import Bus
from mesh.errors import Unauthenticated
from mesh.verifier import remote_verifier
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from services.auth.settings import AuthSettings
from tests.contract.governing import SOON, admin, answered, mesh, organization_of, settings
from tests.contract.test_oauth import make as make_client
from tests.contract.test_oauth import token_of
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh
from tests.support.operators import Admin

__all__ = ["admin", "mesh", "settings"]  # fixtures


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
        await eventually(answered(mesh, token, 401), within=SOON)
    await eventually(answered(mesh, machine_token, 401, "/documents"), within=SOON)
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
    await eventually(answered(mesh, governor.session["access_token"], 401), within=SOON)
    await eventually(answered(mesh, machine_token, 401, "/documents"), within=SOON)
    await eventually(answered(mesh, key, 200), within=SOON)
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

    await eventually(is_dead, within=SOON)
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
    await eventually(answered(mesh, member.session["access_token"], 401), within=SOON)
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
    await eventually(answered(mesh, governor.session["access_token"], 401), within=SOON)


async def test_deleting_the_last_account_ends_the_organizations_tokens(mesh: IdentityMesh) -> None:
    """Its OAuth clients are refused, too."""
    person = await mesh.register()
    token = await token_of(mesh, await make_client(person))
    assert await answered(mesh, token, 200, "/documents")()
    assert 204 == (await person.client.delete("/users/me")).status_code
    await eventually(answered(mesh, token, 401, "/documents"), within=SOON)
