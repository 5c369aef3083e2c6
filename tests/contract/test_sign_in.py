"""Signing in by providers over HTTP: the real `auth` and two gateways, a real OpenID provider, GitHub's dialect."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, TypeAdapter

from services.auth.sign_in_states import s256
from services.gateway.surfaces.platform import shapes
from tests.contract.authing import settings_for
from tests.support import openid
from tests.support.broker import eventually
from tests.support.github_server import Account, GithubServer
from tests.support.identity_mesh import PASSWORD, IdentityMesh, Person, identity_mesh
from tests.support.loopback import Answer
from tests.support.servers import NatsServer
from tests.support.sign_in import (
    OpenIdServer,
    Returned,
    github_settings,
    github_sign_in,
    parameters_of,
)

SECRET = "a secret that the browser's page keeps to itself"


@dataclass
class Providers:
    """Those that people can sign in with here: `corp` and `github`."""

    mesh: IdentityMesh
    openid: OpenIdServer
    github: GithubServer

    async def begin(self, provider: str, challenge: str | None = None) -> str:
        """Where the browser is sent."""
        query = {"code_challenge": challenge} if challenge else {}
        answer = await self.mesh.client().get(f"/auth/oauth/{provider}/authorize", params=query)
        assert 302 == answer.status_code, answer.text
        assert "no-store" == answer.headers["cache-control"]
        return answer.headers["location"]

    async def finish(self, provider: str, returned: Returned, replica: int = 0) -> httpx.Response:
        """What comes of what the provider sent back."""
        return await self.mesh.client(replica).post(f"/auth/oauth/{provider}", params=returned)

    async def corp(self, name: str) -> httpx.Response:
        """Somebody signs in with the OpenID provider."""
        return await self.finish("corp", await self.openid.sign_in(await self.begin("corp"), name))

    async def github_as(self, login: str) -> httpx.Response:
        """Somebody signs in with GitHub."""
        return await self.finish("github", await github_sign_in(await self.begin("github"), login))

    async def employee(self, **claims: object) -> str:
        """A name that the OpenID provider knows, with a verified address unless told otherwise."""
        name = f"e{uuid.uuid4().hex}"
        await self.openid.tell(name, **{"email": f"{name}@example.org", "email_verified": True, **claims})
        return name

    def coder(self, email: str, verified: bool = True, **more: Any) -> str:
        """A login that GitHub knows, with that primary address and an older one."""
        login = f"c{uuid.uuid4().hex}"
        older = {"email": f"older-{login}@example.org", "primary": False, "verified": True, "visibility": None}
        primary = {"email": email, "primary": True, "verified": verified, "visibility": "public"}
        self.github.accounts[login] = Account(uuid.uuid4().int >> 80, [older, primary], **more)
        return login


@pytest.fixture(scope="module")
async def providers(
    fresh_database: Callable[[], str], nats_server: NatsServer, corp: OpenIdServer
) -> AsyncIterator[Providers]:
    """A mesh for all tests here, with two providers."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory, GithubServer() as github:
        settings = settings_for(fresh_database(), Path(directory))
        changed = {
            "nats_url": SecretStr(nats_server.url),
            "sign_in_providers": {"corp": corp.settings(), "github": github_settings(github)},
        }
        async with identity_mesh(settings.model_copy(update=changed), Path(directory)) as running:
            yield Providers(running, corp, github)


def session_of(answer: httpx.Response) -> dict[str, Any]:
    """The session that was opened, which has the declared shape."""
    assert 200 == answer.status_code, answer.text
    TypeAdapter(shapes.Session).validate_json(answer.content)
    session: dict[str, Any] = answer.json()
    return session


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]


async def me(mesh: IdentityMesh, session: dict[str, Any]) -> dict[str, Any]:
    """The account of a session."""
    answer = await mesh.bearer(session["access_token"]).get("/users/me")
    assert 200 == answer.status_code, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def test_the_browser_is_sent_to_the_issuer_with_everything_it_needs(providers: Providers) -> None:
    """State, nonce and an S256 challenge, different each time; our client and where to come back to."""
    urls = [await providers.begin("corp") for _ in range(2)]
    assert urls[0].startswith(f"{providers.openid.url}/o/authorize/?")
    first, second = map(parameters_of, urls)
    assert ("code", openid.CLIENT_ID, openid.REDIRECT_URI, "openid email profile", "S256") == tuple(
        first[name] for name in ("response_type", "client_id", "redirect_uri", "scope", "code_challenge_method")
    )
    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())
    assert 43 == len(first["code_challenge"])


async def test_the_browser_is_sent_to_github_with_a_challenge(providers: Providers) -> None:
    """GitHub gets state and PKCE, and no nonce: it knows no ID tokens."""
    url = await providers.begin("github")
    sent = parameters_of(url)
    assert url.startswith(f"{providers.github.url}/login/oauth/authorize?")
    assert ("read:user user:email", "S256", False) == (sent["scope"], sent["code_challenge_method"], "nonce" in sent)


async def test_a_first_sign_in_makes_an_account_and_an_organization(providers: Providers) -> None:
    """As registering does; the address is verified, and the answer is that of a login."""
    name = await providers.employee(name="Marie Curie", email="Marie@Radium.example.org")
    session = session_of(await providers.corp(name))
    user = session["user"]
    assert ("Marie@Radium.example.org", "Marie Curie", "Marie Curie's organization", "admin", True) == (
        user["email"],
        user["full_name"],
        user["organization_name"],
        user["role"],
        user["last_login"] is not None,
    )
    assert (await me(providers.mesh, session))["is_verified"] is True
    refreshed = await providers.mesh.client().post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
    assert 200 == refreshed.status_code


async def test_the_next_sign_in_finds_the_account_whatever_changed(providers: Providers) -> None:
    """By the subject: another address, verified or not, makes no other account, and the account keeps its own."""
    name = await providers.employee()
    first = session_of(await providers.corp(name))["user"]
    for changed in ({"email": "elsewhere@example.org", "email_verified": True}, {"email_verified": False}, {}):
        await providers.openid.tell(name, **changed)
        user = session_of(await providers.corp(name))["user"]
        assert (first["id"], first["email"]) == (user["id"], user["email"])


async def test_github_signs_in_with_the_primary_address(providers: Providers) -> None:
    """The name is that of the profile, else the login."""
    logins = [providers.coder("primary@example.org", name="Ada Lovelace"), providers.coder("nameless@example.org")]
    users = [session_of(await providers.github_as(login))["user"] for login in logins]
    expected = [("primary@example.org", "Ada Lovelace"), ("nameless@example.org", logins[1])]
    assert expected == [(user["email"], user["full_name"]) for user in users]
    again = [session_of(await providers.github_as(login))["user"] for login in logins]
    assert [user["id"] for user in users] == [user["id"] for user in again]


async def test_a_verified_address_signs_in_to_the_account_that_has_it(providers: Providers) -> None:
    """Whatever the case, and whichever provider says so; the account is verified from then on."""
    person = await providers.mesh.register(email=f"Known-{uuid.uuid4()}@example.org")
    assert (await me(providers.mesh, person.session))["is_verified"] is False
    one = session_of(await providers.corp(await providers.employee(email=person.email.upper())))
    two = session_of(await providers.github_as(providers.coder(person.email.lower())))
    assert [person.session["user"]["id"]] * 2 == [each["user"]["id"] for each in (one, two)]
    assert (await me(providers.mesh, two))["is_verified"] is True
    assert person.session["user"]["organization_id"] == two["user"]["organization_id"]


@dataclass
class Loot:
    """Whatever opens an account to who registered it, and what their organization made."""

    person: Person
    bearers: list[str]
    grant: dict[str, str]
    invitation: str

    @classmethod
    async def gathered(cls, mesh: IdentityMesh) -> "Loot":
        """Of somebody who registered an address without proving it."""
        person = await mesh.register()
        key = await person.client.post("/api-keys", json={"name": "kept"})
        made = await person.client.post("/organizations/me/clients", json={"name": "kept", "scopes": ["jobs.read"]})
        grant = {name: made.json()[name] for name in ("client_id", "client_secret")}
        body = {"email": f"{uuid.uuid4()}@example.org", "role": "admin"}
        invited = await person.client.post("/organizations/me/members", json=body)
        loot = cls(person, [], {**grant, "grant_type": "client_credentials"}, invited.json()["token"])
        token = (await loot.granted(mesh)).json()["access_token"]
        loot.bearers += [person.session["access_token"], key.json()["key"], token]
        return loot

    async def granted(self, mesh: IdentityMesh) -> httpx.Response:
        """A token of the OAuth client, or its refusal."""
        return await mesh.client().post("http://gateway/auth/token", data=self.grant)

    async def statuses(self, mesh: IdentityMesh, replica: int = 0) -> set[int]:
        """What a gateway answers to each bearer token."""
        return {(await mesh.bearer(each, replica).get("/jobs")).status_code for each in self.bearers}


async def test_who_proves_the_address_takes_the_account_from_who_did_not(providers: Providers) -> None:
    """Password, session, API key, OAuth client and invitation of who registered it are dead, everywhere and at once."""
    mesh = providers.mesh
    loot = await Loot.gathered(mesh)
    assert [{200}, {200}] == [await loot.statuses(mesh, replica) for replica in (0, 1)]
    owner = session_of(await providers.corp(await providers.employee(email=loot.person.email)))
    assert loot.person.session["user"]["id"] == owner["user"]["id"]
    assert {401} == await loot.statuses(mesh)
    await eventually(lambda: is_locked_out(mesh, loot))
    spent = {"refresh_token": loot.person.session["refresh_token"]}
    accepted = {"token": loot.invitation, "password": PASSWORD, "full_name": "A Stranger"}
    assert [(401, "invalid_credentials"), (401, "invalid_refresh_token"), (400, "invalid_invitation")] == [
        refused(await mesh.login(loot.person)),
        refused(await mesh.client().post("/auth/refresh", json=spent)),
        refused(await mesh.client().post("/auth/invitations/accept", json=accepted)),
    ]
    assert (401, "invalid_client") == refused(await loot.granted(mesh))
    assert (await me(mesh, owner))["is_verified"] is True


async def test_the_gateway_that_asked_needs_no_broker_to_know(providers: Providers, nats_server: NatsServer) -> None:
    """The answer of the sign-in itself tells it what is dead."""
    stranger = await providers.mesh.register()
    assert 200 == (await stranger.client.get("/jobs")).status_code
    returned = await github_sign_in(await providers.begin("github"), providers.coder(stranger.email))
    nats_server.stop()
    try:
        session_of(await providers.finish("github", returned))
        assert 401 == (await stranger.client.get("/jobs")).status_code
    finally:
        nats_server.start()


async def is_locked_out(mesh: IdentityMesh, loot: Loot) -> bool:
    """Whether the other gateway knows, too."""
    return {401} == await loot.statuses(mesh, 1)


async def test_what_other_members_share_outlives_the_proof_of_one(providers: Providers) -> None:
    """A member who proves their address ends their own credentials, not their organization's."""
    admin = await providers.mesh.register()
    member = await providers.mesh.join(admin)
    made = await admin.client.post("/organizations/me/clients", json={"name": "c", "scopes": ["documents.read"]})
    grant = {name: made.json()[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    session = session_of(await providers.corp(await providers.employee(email=member.email)))
    assert admin.session["user"]["organization_id"] == session["user"]["organization_id"]
    assert 401 == (await member.client.get("/users/me")).status_code
    assert 200 == (await providers.mesh.client().post("http://gateway/auth/token", data=grant)).status_code
    assert 200 == (await admin.client.get("/users/me")).status_code


async def test_an_account_whose_address_was_proved_keeps_its_sessions(providers: Providers) -> None:
    """A second provider is one more way in, and ends nothing."""
    email = f"{uuid.uuid4()}@example.org"
    first = session_of(await providers.corp(await providers.employee(email=email)))
    second = session_of(await providers.github_as(providers.coder(email)))
    assert first["user"]["id"] == (await me(providers.mesh, first))["id"] == (await me(providers.mesh, second))["id"]


async def test_accepting_an_invitation_proves_no_address(providers: Providers) -> None:
    """Its token goes through the hands of an admin."""
    member = await providers.mesh.join(await providers.mesh.register())
    assert (await me(providers.mesh, member.session))["is_verified"] is False


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": None}, {"email": None}])
async def test_an_unverified_address_opens_nothing(providers: Providers, claims: dict[str, Any]) -> None:
    """Neither the account that has it nor a new one: 403, and the account stays as it was."""
    person = await providers.mesh.register()
    answer = await providers.corp(await providers.employee(**{"email": person.email, **claims}))
    assert (403, "email_not_verified") == refused(answer)
    assert 200 == (await providers.mesh.login(person)).status_code
    email = f"{uuid.uuid4()}@example.org"
    answer = await providers.corp(await providers.employee(**{"email": email, **claims}))
    assert (403, "email_not_verified") == refused(answer)
    registered = await providers.mesh.client().post(
        "/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Marie Curie"}
    )
    assert 201 == registered.status_code


async def test_github_accounts_without_a_verified_primary_address_are_refused(providers: Providers) -> None:
    """Another verified address does not help: which one is the person's is theirs to say."""
    login = providers.coder("unverified@example.org", verified=False)
    assert (403, "email_not_verified") == refused(await providers.github_as(login))
    providers.github.accounts[login].emails.clear()
    assert (403, "email_not_verified") == refused(await providers.github_as(login))


@pytest.mark.parametrize("linked", [True, False])
async def test_a_disabled_account_stays_closed(providers: Providers, linked: bool) -> None:
    """403 as for a login, whether the provider was linked before or would be now; nothing is linked or ended."""
    person = await providers.mesh.register()
    name = await providers.employee(email=person.email)
    if linked:
        session_of(await providers.corp(name))
    user = person.session["user"]["id"]
    await providers.mesh.sql("UPDATE users SET is_active = false WHERE id = %s", user)
    assert (403, "account_disabled") == refused(await providers.corp(name))
    await providers.mesh.sql("UPDATE users SET is_active = true WHERE id = %s", user)
    assert (401 if linked else 200) == (await providers.mesh.login(person)).status_code


@pytest.mark.parametrize("link_left", [False, True])
async def test_a_deleted_account_does_not_come_back(providers: Providers, link_left: bool) -> None:
    """Who signs in again begins anew, also where a link was left behind."""
    name = await providers.employee()
    old = session_of(await providers.corp(name))
    assert 204 == (await providers.mesh.bearer(old["access_token"]).delete("/users/me")).status_code
    if link_left:
        statement = "INSERT INTO external_identities (issuer, subject, user_id) SELECT %s, %s, %s"
        subject = await providers.openid.tell(name, email=old["user"]["email"], email_verified=True)
        await providers.mesh.sql(statement, f"{providers.openid.url}/o", subject, old["user"]["id"])
    new = session_of(await providers.corp(name))
    assert old["user"]["id"] != new["user"]["id"]
    assert old["user"]["organization_id"] != new["user"]["organization_id"]
    assert 401 == (await providers.mesh.bearer(old["access_token"]).get("/users/me")).status_code
    assert new["user"]["id"] == session_of(await providers.corp(name))["user"]["id"]


async def test_an_account_without_a_password_fails_like_a_wrong_one(providers: Providers) -> None:
    """The very answer, after the same work, and counted like any guess."""
    user = session_of(await providers.corp(await providers.employee()))["user"]
    known = {"email": user["email"], "password": "not the password"}
    answers = [
        await providers.mesh.client().post("/auth/login", json=body)
        for body in (known, {**known, "password": ""}, {**known, "email": f"{uuid.uuid4()}@example.org"})
    ]
    assert {(401, answers[0].content)} == {(answer.status_code, answer.content) for answer in answers}
    guesses = [await providers.mesh.client().post("/auth/login", json=known) for _ in range(9)]
    assert (429, "too_many_attempts") == refused(guesses[-1])


async def test_first_sign_ins_at_once_make_one_account(providers: Providers) -> None:
    """All are let in, whoever comes first."""
    for email in (f"{uuid.uuid4()}@example.org" for _ in range(5)):
        login = providers.coder(email)
        returned = [await github_sign_in(await providers.begin("github"), login) for _ in range(6)]
        finishing = [providers.finish("github", each, number % 2) for number, each in enumerate(returned)]
        assert 1 == len({session_of(answer)["user"]["id"] for answer in await asyncio.gather(*finishing)})


async def test_any_gateway_finishes_what_another_began(providers: Providers) -> None:
    """Nothing of a sign-in is kept by who began it."""
    name = await providers.employee()
    returned = await providers.openid.sign_in(await providers.begin("corp"), name)
    session_of(await providers.finish("corp", returned, replica=1))


async def test_a_provider_that_is_away_is_waited_for(providers: Providers) -> None:
    """503 with Retry-After; what it sent back is good for another try once it has returned."""
    returned = await github_sign_in(await providers.begin("github"), providers.coder("patient@example.org"))
    providers.github.rude = Answer(502)
    try:
        answer = await providers.finish("github", returned)
    finally:
        providers.github.rude = None
    assert (503, "unavailable", "5") == (*refused(answer), answer.headers["retry-after"])
    session_of(await providers.finish("github", returned))


@pytest.mark.parametrize("provider", ["facebook", "google", "Corp", "..%2Fcorp", "nul%00"])
async def test_a_provider_that_is_not_configured_is_not_found(providers: Providers, provider: str) -> None:
    """404 in both steps, before anything else is looked at."""
    for answer in (
        await providers.mesh.client().get(f"/auth/oauth/{provider}/authorize"),
        await providers.mesh.client().post(f"/auth/oauth/{provider}?code=&state="),
    ):
        assert (404, "not_found") == refused(answer)


async def test_a_page_can_bind_a_sign_in_to_itself(providers: Providers) -> None:
    """Begun with a challenge, only who shows the secret finishes; until then the state is not spent."""
    name = await providers.employee()
    returned = await providers.openid.sign_in(await providers.begin("corp", s256(SECRET)), name)
    for wrong in ({}, {"code_verifier": "another secret"}):
        assert (400, "invalid_oauth_state") == refused(await providers.finish("corp", {**returned, **wrong}))
    session_of(await providers.finish("corp", {**returned, "code_verifier": SECRET}))


async def test_a_page_that_binds_refuses_what_was_begun_elsewhere(providers: Providers) -> None:
    """A stranger's state, bound to nothing or to themselves, does not pass with the page's own secret."""
    for challenge in (None, s256("the stranger's own")):
        begun = await providers.begin("corp", challenge)
        returned = await providers.openid.sign_in(begun, await providers.employee())
        answer = await providers.finish("corp", {**returned, "code_verifier": SECRET})
        assert (400, "invalid_oauth_state") == refused(answer)


async def test_a_malformed_challenge_is_refused(providers: Providers) -> None:
    """422 that names it."""
    answer = await providers.mesh.client().get("/auth/oauth/corp/authorize?code_challenge=short")
    assert (422, ["code_challenge"]) == (answer.status_code, list(answer.json()["details"]))
