"""Provider keys: stored over HTTP with the real `auth` and two gateways, opened over gRPC by one service alone."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter

from mesh.errors import Forbidden, IllegalState, InvalidArgument, PagemeshError, Unauthenticated
from services.auth.settings import AuthSettings
from services.gateway.surfaces.platform import shapes
from tests.contract.authing import settings_for
from tests.support.broker import eventually
from tests.support.identity_mesh import IdentityMesh, Person, identity_mesh
from tests.support.provider_keys import KeyClient
from tests.support.servers import NatsServer

KEY = "sk-ant-api03-" + "c0ffee" * 8
OTHER = "sk-proj-" + "0dd" * 16
SHOWN, OTHER_SHOWN = "sk-ant-api03-***", "sk-proj-***"


@pytest.fixture(scope="module")
def settings(
    fresh_database: Callable[[], str], nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AuthSettings:
    """Settings of `auth`."""
    made = settings_for(fresh_database(), tmp_path_factory.mktemp("auth"))
    return made.model_copy(update={"nats_url": SecretStr(nats_server.url)})


@pytest.fixture(scope="module")
async def mesh(settings: AuthSettings) -> AsyncIterator[IdentityMesh]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with identity_mesh(settings, Path(directory)) as running:
            yield running


@pytest.fixture
async def keys(settings: AuthSettings, mesh: IdentityMesh) -> KeyClient:
    """Asks `auth` directly."""
    return KeyClient(settings)


async def open_for(keys: KeyClient, person: Person, *providers: str) -> tuple[str, str]:
    """The first of these keys of somebody, as the service that may."""
    user = person.session["user"]
    return await keys.open_as_service(user["organization_id"], user["id"], *(providers or ("anthropic",)))


async def put(person: Person, key: str | None = KEY) -> Any:
    """Stores the person's key for Anthropic."""
    return await person.client.put("/users/me/api-key", json={"anthropic_api_key": key})


async def test_a_key_is_stored_and_shown_masked_alone(mesh: IdentityMesh) -> None:
    """The answer, the account and the list show its kind, at either gateway."""
    person = await mesh.register()
    before = (await person.client.get("/users/me")).json()["anthropic_api_key"]
    answer = await put(person)
    assert (None, 200, "no-store") == (before, answer.status_code, answer.headers["cache-control"])
    assert {"message": "API key stored", "masked_key": SHOWN} == answer.json()
    TypeAdapter(shapes.StoredProviderKey).validate_python(answer.json(), strict=True)
    elsewhere = mesh.bearer(person.session["access_token"], 1)
    changed = await elsewhere.put("/users/me", json={"full_name": "Ada"})
    answers = [answer, changed, *[await elsewhere.get(f"/users/me{path}") for path in ("", "/provider-keys")]]
    assert [SHOWN] * 2 == [each.json()["anthropic_api_key"] for each in answers[1:3]]
    assert [] == [each.text for each in answers if "c0ffee" in each.text]
    TypeAdapter(shapes.ProviderKeyList).validate_python(answers[3].json(), strict=True)


async def test_keys_of_several_providers(mesh: IdentityMesh, keys: KeyClient) -> None:
    """One for each; the key for Anthropic is the same under both paths; lists have pages."""
    person = await mesh.register()
    await put(person)
    answer = await person.client.put("/users/me/provider-keys/openai", json={"api_key": OTHER})
    assert (200, OTHER_SHOWN) == (answer.status_code, answer.json()["masked_key"])
    listed = (await person.client.get("/users/me/provider-keys")).json()
    assert [("anthropic", SHOWN), ("openai", OTHER_SHOWN)] == [
        (each["provider"], each["masked_key"]) for each in listed["items"]
    ]
    second = (await person.client.get("/users/me/provider-keys?page=2&per_page=1")).json()
    assert (["openai"], 2, 2) == ([each["provider"] for each in second["items"]], second["total"], second["pages"])
    assert ("openai", OTHER) == await open_for(keys, person, "groq", "openai", "anthropic")
    assert ("anthropic", KEY) == await open_for(keys, person, "anthropic", "openai")
    await person.client.put("/users/me/provider-keys/anthropic", json={"api_key": "sk-ant-another"})
    assert "sk-ant-***" == (await person.client.get("/users/me")).json()["anthropic_api_key"]
    assert ("anthropic", "sk-ant-another") == await open_for(keys, person)


@pytest.mark.parametrize("path", ["/users/me/api-key", "/users/me/provider-keys/anthropic"])
async def test_a_key_is_erased(mesh: IdentityMesh, keys: KeyClient, path: str) -> None:
    """By DELETE, a repeat of which finds none; by null, a repeat of which changes nothing."""
    person = await mesh.register()
    field = "anthropic_api_key" if path.endswith("api-key") else "api_key"
    await put(person)
    assert [204, 404] == [(await person.client.delete(path)).status_code for _ in range(2)]
    assert ("", "") == await open_for(keys, person)
    await put(person)
    for _ in range(2):
        answer = await person.client.put(path, json={field: None})
        assert (200, {"message": "API key removed", "masked_key": None}) == (answer.status_code, answer.json())
    assert (await person.client.get("/users/me")).json()["anthropic_api_key"] is None
    assert ("", "") == await open_for(keys, person)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("api-key", {}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": ""}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": "short"}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": "c0ffee with blanks"}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": "c0ffee-\u0000\u0000\u0000"}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": "c0ffee\r\nx-evil: 1"}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": "c0ffee" * 200}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": SHOWN}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": ["c0ffee-c0ffee"]}, "anthropic_api_key"),
        ("api-key", {"anthropic_api_key": KEY, "c0ffee": 1}, "c0ffee"),
        ("provider-keys/openai", {"api_key": "c0ffeeé-c0ffee"}, "api_key"),
        ("provider-keys/openai", {"anthropic_api_key": KEY}, "api_key"),
        ("provider-keys/no-such", {"api_key": KEY}, "provider"),
        ("provider-keys/no-such", {"api_key": None}, "provider"),
        ("provider-keys/bedrock", {"api_key": KEY}, "provider"),
        ("provider-keys/%00", {"api_key": KEY}, "provider"),
        ("provider-keys/%ff", {"api_key": KEY}, "provider"),
        ("provider-keys/Anthropic", {"api_key": KEY}, "provider"),
    ],
)
async def test_bad_keys_and_providers_are_named_and_not_repeated(
    mesh: IdentityMesh, path: str, body: dict[str, object], field: str
) -> None:
    """422 with the field; the value comes back in no answer, and nothing is stored."""
    person = await mesh.register()
    answer = await person.client.put(f"/users/me/{path}", json=body)
    assert (422, True) == (answer.status_code, field in answer.json()["details"])
    assert KEY not in answer.text
    assert "c0ffee" not in answer.text.replace('"c0ffee":', "")
    assert 0 == (await person.client.get("/users/me/provider-keys")).json()["total"]


@pytest.mark.parametrize(("provider", "status"), [("openai", 404), ("no-such", 404), ("%00", 404), ("a/b", 404)])
async def test_deleting_what_is_not_there(mesh: IdentityMesh, provider: str, status: int) -> None:
    """404 for a provider without a key, and for one that there is not."""
    person = await mesh.register()
    assert status == (await person.client.delete(f"/users/me/provider-keys/{provider}")).status_code


async def test_keys_are_for_people(mesh: IdentityMesh) -> None:
    """Without a credential 401; with one whose scopes are listed 403; an unrestricted API key acts for its owner."""
    person = await mesh.register()
    body = {"anthropic_api_key": KEY}
    restricted = (await person.client.post("/api-keys", json={"name": "p", "scopes": ["jobs.read"]})).json()["key"]
    whole = (await person.client.post("/api-keys", json={"name": "p"})).json()["key"]
    clients = [mesh.client(), mesh.client(x_api_key=restricted), mesh.client(x_api_key=whole)]
    answers = [await each.put("/users/me/api-key", json=body) for each in clients]
    assert [401, 403, 200] == [each.status_code for each in answers]


async def test_one_service_alone_opens_keys(mesh: IdentityMesh, keys: KeyClient) -> None:
    """Not the person, nor an admin, an API key, an OAuth client, another service, or nobody."""
    person = await mesh.register()
    await put(person)
    user = person.session["user"]
    api_key = (await person.client.post("/api-keys", json={"name": "p"})).json()["key"]
    tokens = [person.session["access_token"], await keys.token_for(api_key)]
    tokens += [await keys.service_token(user["organization_id"], name) for name in ("ingest", "gateway", "analysis2")]
    for token in tokens:
        with pytest.raises(Forbidden):
            await keys.open(token, user["id"], "anthropic")
    for token in ("", "forged"):
        with pytest.raises(Unauthenticated):
            await keys.open(token, user["id"], "anthropic")
    good = await keys.service_token(user["organization_id"])
    assert ("anthropic", KEY) == await keys.open(good, user["id"], "anthropic")


async def test_an_oauth_client_opens_no_keys(mesh: IdentityMesh, keys: KeyClient) -> None:
    """Whatever its scopes are."""
    person = await mesh.register()
    await put(person)
    scopes = ["enrichment.write", "documents.read"]
    made = (await person.client.post("/organizations/me/clients", json={"name": "c", "scopes": scopes})).json()
    form = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    token = (await mesh.client().post("http://gateway/auth/token", data=form)).json()["access_token"]
    with pytest.raises(Forbidden):
        await keys.open(token, person.session["user"]["id"], "anthropic")


async def test_another_organizations_user_is_like_none(mesh: IdentityMesh, keys: KeyClient) -> None:
    """The same answer as for nobody, for garbage, and for a user without a key."""
    person, stranger = await mesh.register(), await mesh.register()
    await put(person)
    user_id = person.session["user"]["id"]
    token = await keys.service_token(stranger.session["user"]["organization_id"])
    asked = (user_id, stranger.session["user"]["id"], str(uuid.uuid4()), "service:analysis", "", "\x00")
    assert {("", "")} == {await keys.open(token, one, "anthropic") for one in asked}
    mine = await keys.service_token(person.session["user"]["organization_id"])
    assert ("", "") == await keys.open(mine, user_id)
    assert ("", "") == await keys.open(mine, user_id, "openai", "no such", "\x00")
    with pytest.raises(InvalidArgument):
        await keys.open(mine, user_id, *["openai"] * 101)


async def test_keys_of_a_disabled_member_do_not_open(mesh: IdentityMesh, keys: KeyClient) -> None:
    """Until the member is enabled again."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    await put(member)
    one = f"/organizations/me/members/{member.session['user']['id']}"
    for active, expected in ((False, ""), (True, KEY)):
        assert 200 == (await admin.client.patch(one, json={"is_active": active})).status_code
        assert expected == (await open_for(keys, member))[1]


async def test_keys_of_a_disabled_organization_do_not_open(mesh: IdentityMesh, keys: KeyClient) -> None:
    """As those of a disabled member."""
    person = await mesh.register()
    await put(person)
    organization_id = person.session["user"]["organization_id"]
    await mesh.sql("UPDATE organizations SET is_active = false WHERE id = %s", organization_id)
    assert ("", "") == await open_for(keys, person)


@pytest.mark.parametrize("by_admin", [False, True], ids=["self", "admin"])
async def test_deleting_an_account_erases_its_keys(mesh: IdentityMesh, keys: KeyClient, by_admin: bool) -> None:
    """Nothing is left of them in the record."""
    admin = await mesh.register()
    member = await mesh.join(admin)
    await put(member)
    user_id = member.session["user"]["id"]
    if by_admin:
        assert 204 == (await admin.client.delete(f"/organizations/me/members/{user_id}")).status_code
    else:
        assert 204 == (await member.client.delete("/users/me")).status_code
    assert ("", "") == await open_for(keys, member)
    assert [(0,)] == await mesh.rows("SELECT count(*) FROM provider_keys WHERE user_id = %s", user_id)


async def test_no_key_outlives_an_account_that_is_deleted_meanwhile(mesh: IdentityMesh) -> None:
    """Whoever stores one while the account is being deleted waits, and finds no account."""
    person = await mesh.register()
    user_id = person.session["user"]["id"]
    async with mesh.connection() as deleting:
        await deleting.execute("UPDATE users SET deleted_at = now() WHERE id = %s", (user_id,))
        storing = asyncio.create_task(put(person))
        await eventually(lambda: _somebody_waits(mesh))
    assert 404 == (await storing).status_code
    assert [(0,)] == await mesh.rows("SELECT count(*) FROM provider_keys WHERE user_id = %s", user_id)


async def _somebody_waits(mesh: IdentityMesh) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return [(0,)] != await mesh.rows(waiting)


async def test_rows_cannot_be_exchanged(mesh: IdentityMesh, keys: KeyClient) -> None:
    """Somebody who writes to the record cannot have one person's key used for another, or for another provider."""
    ada, bob = await mesh.register(), await mesh.register()
    await put(ada)
    await put(bob, "sk-ant-api03-of-bob")
    ids = [person.session["user"]["id"] for person in (ada, bob)]
    copy = """
        UPDATE provider_keys mine SET data_key = other.data_key, sealed = other.sealed
        FROM provider_keys other WHERE mine.user_id = %s AND other.user_id = %s
    """
    await mesh.sql(copy, *ids)
    with pytest.raises(IllegalState) as caught:
        await open_for(keys, ada)
    assert ("PROVIDER_KEY_UNREADABLE", False) == (caught.value.reason, "of-bob" in str(caught.value))
    assert ("anthropic", "sk-ant-api03-of-bob") == await open_for(keys, bob)
    await mesh.sql("UPDATE provider_keys SET provider = 'openai' WHERE user_id = %s", ids[1])
    assert "PROVIDER_KEY_UNREADABLE" == await refusal(keys, bob, "openai")
    await mesh.sql("UPDATE provider_keys SET master_key_id = 'unknown' WHERE user_id = %s", ids[1])
    assert "PROVIDER_KEY_UNREADABLE" == await refusal(keys, bob, "openai")
    await put(ada)
    assert ("anthropic", KEY) == await open_for(keys, ada)


async def refusal(keys: KeyClient, person: Person, provider: str) -> str:
    """Why a key is not opened."""
    with pytest.raises(PagemeshError) as caught:
        await open_for(keys, person, provider)
    return caught.value.reason
