"""The auth service over gRPC, with a real PostgreSQL."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from argon2 import PasswordHasher, extract_parameters
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from psycopg import sql
from psycopg.abc import QueryNoTemplate
from psycopg.rows import TupleRow
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from mesh import client, context, db
from mesh.errors import (
    AlreadyExists,
    Forbidden,
    InvalidArgument,
    NotFound,
    PagemeshError,
    TooMuch,
    Unauthenticated,
    Unavailable,
)
from mesh.identity import TokenVerifier
from pagemesh.auth.v1 import auth_pb2, auth_pb2_grpc
from services.auth.__main__ import serve
from services.auth.master_keys import WrongMasterKey
from services.auth.settings import AuthSettings
from services.auth.store import SCHEMA, Store

PASSWORD = "correct horse battery staple"
NOBODY = "00000000-0000-4000-8000-000000000000"


def settings_for(url: str, directory: Path, name: str = "auth") -> AuthSettings:
    """Settings of a service that listens on a socket in the directory; the master key stays the same there."""
    key = directory / "master.key"
    if not key.exists():
        key.write_bytes(base64.b64encode(os.urandom(32)))
    return AuthSettings(
        listen=f"unix:{directory}/{name}.sock",
        database_url=SecretStr(url),
        service_secret=SecretStr("shared among services"),
        master_key_file=key,
        drain_seconds=0.5,
    )


def dsn(settings: AuthSettings, database: str | None = None) -> str:
    """The service's database, or another one of its server, as libpq names it."""
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
    if database:
        url = url.set(database=database)
    return url.render_as_string(hide_password=False)


class Auth:
    """A client of the service."""

    def __init__(self, settings: AuthSettings) -> None:
        self.settings = settings
        self.channel = client.connect(settings.listen, settings)
        self.accounts = auth_pb2_grpc.AccountServiceStub(self.channel)
        self.organizations = auth_pb2_grpc.OrganizationServiceStub(self.channel)
        self.tokens = auth_pb2_grpc.TokenServiceStub(self.channel)
        self.verifier = TokenVerifier(self.jwks)

    async def register(self, email: str, password: str = PASSWORD, **more: str) -> auth_pb2.RegisterResponse:
        """Registers; `more` are fields of the request."""
        request = auth_pb2.RegisterRequest(email=email, password=password, **{"full_name": "Marie Curie", **more})
        return await client.call(self.accounts.Register, request)

    async def login(self, email: str, password: str = PASSWORD) -> auth_pb2.LoginResponse:
        """Logs in."""
        return await client.call(self.accounts.Login, auth_pb2.LoginRequest(email=email, password=password))

    async def refresh(self, token: str) -> auth_pb2.TokenPair:
        """Spends a refresh token."""
        request = auth_pb2.RefreshRequest(refresh_token=token)
        return (await client.call(self.accounts.Refresh, request)).tokens

    async def me(self, token: str) -> auth_pb2.User:
        """The account of the token."""
        context.bearer_token.set(token)
        return (await client.call(self.accounts.GetMe, auth_pb2.GetMeRequest())).user

    async def organization(self, token: str) -> auth_pb2.Organization:
        """The organization of the token."""
        context.bearer_token.set(token)
        request = auth_pb2.GetOrganizationRequest()
        return (await client.call(self.organizations.GetOrganization, request)).organization

    async def service_token(self, secret: str, organization_id: str) -> auth_pb2.IssueServiceTokenResponse:
        """A token for the analysis service."""
        request = auth_pb2.IssueServiceTokenRequest(service="analysis", secret=secret, organization_id=organization_id)
        return await client.call(self.tokens.IssueServiceToken, request)

    async def jwks(self) -> str:
        """The public keys."""
        return (await client.call(self.tokens.GetJwks, auth_pb2.GetJwksRequest())).jwks_json

    async def sql(self, statement: QueryNoTemplate, *values: object) -> list[TupleRow]:
        """Reads or changes the record behind the service's back."""
        async with await psycopg.AsyncConnection.connect(
            dsn(self.settings), options="-c search_path=auth"
        ) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
async def auth(fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Auth]:
    """A client of a running service."""
    settings = settings_for(fresh_database(), tmp_path_factory.mktemp("auth"))
    async with serve(settings):
        caller = Auth(settings)
        yield caller
        await caller.channel.close()


@pytest.fixture(autouse=True)
def _without_a_credential() -> None:
    """Each test begins with none."""
    context.bearer_token.set("")


async def test_registering_makes_an_admin_and_an_organization(auth: Auth) -> None:
    """The account, its organization with the defaults, and a session come back."""
    response = await auth.register("Marie@Example.org", organization_name="Institut du Radium")
    user, organization = response.user, response.user.organization
    assert ("Marie@Example.org", "Marie Curie", auth_pb2.ROLE_ADMIN, True, False) == (
        user.email,
        user.full_name,
        user.role,
        user.is_active,
        user.HasField("last_login"),
    )
    assert ("Institut du Radium", auth_pb2.TIER_FREE, True, 1) == (
        organization.name,
        organization.tier,
        organization.is_active,
        organization.member_count,
    )
    expected = auth_pb2.OrganizationSettings(allow_sharing=True, max_file_size_mb=50, retention_days=90, zero_log=False)
    assert expected == organization.settings
    assert 1800 == response.tokens.expires_in


async def test_the_access_token_proves_the_account_to_any_service(auth: Auth) -> None:
    """A verifier with nothing but the published keys learns user, organization, role and tier."""
    response = await auth.register("verified@example.org")
    identity = await auth.verifier.verify(response.tokens.access_token)
    expected = (response.user.id, response.user.organization.id, "admin", "free")
    assert expected == (identity.user_id, identity.organization_id, identity.role, identity.tier)


async def test_the_organization_is_named_after_the_person_unless_named(auth: Auth) -> None:
    """An empty organization name is derived from the full name."""
    response = await auth.register("derived@example.org", full_name="Pierre Curie")
    assert "Pierre Curie's organization" == response.user.organization.name
    response = await auth.register("longest@example.org", full_name="P" * 200)
    assert "P" * 200 == response.user.full_name == response.user.organization.name


async def test_an_email_registers_once_whatever_its_case(auth: Auth) -> None:
    """The second is EMAIL_TAKEN, and leaves no organization behind."""
    await auth.register("twice@example.org")
    with pytest.raises(AlreadyExists) as caught:
        await auth.register("TWICE@Example.ORG", organization_name="Left behind")
    assert "EMAIL_TAKEN" == caught.value.reason
    assert [(0,)] == await auth.sql("SELECT count(*) FROM organizations WHERE name = 'Left behind'")


async def test_of_two_that_register_one_email_at_once_one_succeeds(auth: Auth) -> None:
    """The database decides."""
    attempts = [auth.register(email) for email in ("race@example.org", "RACE@example.org")]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {auth_pb2.RegisterResponse, AlreadyExists} == {type(outcome) for outcome in outcomes}


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"password": "password12"}, "WEAK_PASSWORD", "password"),
        ({"password": "short"}, "WEAK_PASSWORD", "password"),
        ({"email": "no address"}, "INVALID_ARGUMENT", "email"),
        ({"email": "nul\x00@example.org"}, "INVALID_ARGUMENT", "email"),
        ({"full_name": ""}, "INVALID_ARGUMENT", "full_name"),
        ({"organization_name": "nul\x00"}, "INVALID_ARGUMENT", "organization_name"),
    ],
)
async def test_malformed_registrations_name_the_field(
    auth: Auth, fields: dict[str, str], reason: str, field: str
) -> None:
    """What is wrong is said with its field."""
    with pytest.raises(InvalidArgument) as caught:
        await auth.register(**{"email": "malformed@example.org", **fields})
    assert (reason, {"field": field}) == (caught.value.reason, caught.value.details)


async def test_logging_in_opens_a_session(auth: Auth) -> None:
    """Login works in any case of the address, records its time, and the token works."""
    registered = await auth.register("login@example.org")
    response = await auth.login("LOGIN@example.org")
    assert (registered.user.id, True) == (response.user.id, response.user.HasField("last_login"))
    assert response.user == await auth.me(response.tokens.access_token)


async def test_logging_in_renews_a_hash_of_older_settings(auth: Auth) -> None:
    """A hash with weaker parameters is replaced by one of today's at the next login, and the password stays."""
    user = (await auth.register("renewed@example.org")).user
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await auth.sql("UPDATE users SET password_hash = %s WHERE id = %s", weaker, user.id)
    await auth.login("renewed@example.org")
    [[renewed]] = await auth.sql("SELECT password_hash FROM users WHERE id = %s", user.id)
    assert extract_parameters(renewed).memory_cost > extract_parameters(weaker).memory_cost
    assert user.id == (await auth.login("renewed@example.org")).user.id


async def tries(auth: Auth, email: str, password: str, address: str = "192.0.2.1") -> str:
    """What becomes of a login from an address: its reason, or nothing when it worked."""
    request = auth_pb2.LoginRequest(email=email, password=password, client_address=address)
    try:
        await client.call(auth.accounts.Login, request)
    except PagemeshError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_guessing_is_throttled_whether_or_not_the_account_exists(auth: Auth, known: bool) -> None:
    """After ten wrong passwords nothing more is tried from that address, the right one included; elsewhere it works."""
    email = f"guessed-{known}@example.org"
    if known:
        await auth.register(email)
    guesses = [await tries(auth, email.upper() if number % 2 else email, f"guess {number}") for number in range(12)]
    assert ["INVALID_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2 == guesses
    assert "TOO_MANY_ATTEMPTS" == await tries(auth, email, PASSWORD)
    assert ("" if known else "INVALID_CREDENTIALS") == await tries(auth, email, PASSWORD, "192.0.2.2")


async def test_a_refused_guess_says_when_to_come_back(auth: Auth) -> None:
    """Within the window, in seconds; once it has ended, counting begins anew."""
    email = "window@example.org"
    await auth.register(email)
    for _ in range(10):
        await tries(auth, email, "wrong", "")
    with pytest.raises(TooMuch) as caught:
        await auth.login(email)
    assert 1 <= int(caught.value.details["retry_after"]) <= 900
    await auth.sql("UPDATE login_failures SET expires_at = now()")
    assert email == (await auth.login(email)).user.email


async def test_the_right_password_forgives_wrong_ones(auth: Auth) -> None:
    """Who mistypes now and then is never refused."""
    email = "forgiven@example.org"
    await auth.register(email)
    for _ in range(3):
        assert ["INVALID_CREDENTIALS"] * 6 == [await tries(auth, email, "wrong") for _ in range(6)]
        assert "" == await tries(auth, email, PASSWORD)


async def test_guessing_from_many_addresses_is_throttled_too(auth: Auth) -> None:
    """After a hundred wrong passwords from anywhere the account is refused from everywhere."""
    email = "everywhere@example.org"
    await auth.register(email)
    await tries(auth, email, "wrong")
    await auth.sql("UPDATE login_failures SET failures = 100 WHERE failures = 1")
    assert "TOO_MANY_ATTEMPTS" == await tries(auth, email, PASSWORD, "192.0.2.99")
    await auth.sql("DELETE FROM login_failures")


async def test_guesses_sent_at_once_are_throttled_too(auth: Auth) -> None:
    """The right password behind many wrong ones is refused, though all were let in before any had failed."""
    email = "at-once@example.org"
    await auth.register(email)
    guesses = [*(f"guess {number}" for number in range(30)), PASSWORD]
    assert "" not in await asyncio.gather(*(tries(auth, email, guess) for guess in guesses))


async def test_nothing_that_opens_an_account_is_stored(auth: Auth) -> None:
    """Neither the password nor a token is in any row."""
    registered = await auth.register("stored@example.org", "a password of its own kind")
    given = ("a password of its own kind", registered.tokens.refresh_token, registered.tokens.access_token)
    tables = ("organizations", "users", "sessions", "refresh_tokens", "signing_keys")
    rows = [await auth.sql(sql.SQL("SELECT * FROM {}").format(sql.Identifier(each))) for each in tables]
    assert [] == [secret for secret in given if secret in repr(rows)]


async def test_wrong_email_and_wrong_password_are_indistinguishable(auth: Auth) -> None:
    """Unknown, malformed and empty addresses get the very answer of a wrong password."""
    await auth.register("known@example.org")
    answers = set()
    for email in ("known@example.org", "unknown@example.org", "no address", "nul\x00@example.org", ""):
        with pytest.raises(Unauthenticated) as caught:
            await auth.login(email, "not the password")
        answers.add((caught.value.reason, caught.value.message, *caught.value.details))
    assert {("INVALID_CREDENTIALS", "The email or the password is wrong.")} == answers


@pytest.mark.parametrize(
    "disable",
    [
        "UPDATE users SET is_active = false WHERE id = %s",
        "UPDATE organizations SET is_active = false WHERE id = (SELECT organization_id FROM users WHERE id = %s)",
    ],
    ids=["account", "organization"],
)
async def test_who_is_disabled_stays_outside(auth: Auth, disable: QueryNoTemplate) -> None:
    """A disabled account, or one of a disabled organization, cannot log in, refresh or ask who it is."""
    email = f"disabled-{uuid4()}@example.org"
    registered = await auth.register(email)
    await auth.sql(disable, registered.user.id)
    with pytest.raises(Unauthenticated, match="wrong"):
        await auth.login(email, "not the password")
    with pytest.raises(Forbidden) as caught:
        await auth.login(email)
    assert "ACCOUNT_DISABLED" == caught.value.reason
    assert "INVALID_REFRESH_TOKEN" == await refusal(auth, registered.tokens.refresh_token)
    with pytest.raises(Unauthenticated):
        await auth.me(registered.tokens.access_token)


async def refusal(auth: Auth, refresh_token: str) -> str:
    """Why the token is refused."""
    with pytest.raises(Unauthenticated) as caught:
        await auth.refresh(refresh_token)
    return caught.value.reason


async def test_refreshing_goes_on_and_on(auth: Auth) -> None:
    """Each refresh gives a new pair of the same session."""
    registered = await auth.register("refresh@example.org")
    pairs = [registered.tokens]
    for _ in range(3):
        pairs.append(await auth.refresh(pairs[-1].refresh_token))
    identities = [await auth.verifier.verify(pair.access_token) for pair in pairs]
    assert (4, 1) == (len({pair.refresh_token for pair in pairs}), len({each.session_id for each in identities}))
    assert registered.user.id == (await auth.me(pairs[-1].access_token)).id


async def test_a_spent_refresh_token_ends_its_session_and_no_other(auth: Auth) -> None:
    """After reuse neither the newest refresh token nor the access token's session lives; another session does."""
    first = (await auth.register("reuse@example.org")).tokens
    other = (await auth.login("reuse@example.org")).tokens
    second = await auth.refresh(first.refresh_token)
    reasons = [await refusal(auth, pair.refresh_token) for pair in (first, second, first)]
    assert ["INVALID_REFRESH_TOKEN"] * 3 == reasons
    with pytest.raises(Unauthenticated):
        await auth.me(second.access_token)
    assert (await auth.refresh(other.refresh_token)).access_token


async def test_of_two_that_spend_a_token_at_once_one_at_most_goes_on(auth: Auth) -> None:
    """The race is a reuse: one call may succeed, but the session has ended for both."""
    tokens = (await auth.register("spend-race@example.org")).tokens
    outcomes = await asyncio.gather(*(auth.refresh(tokens.refresh_token) for _ in range(4)), return_exceptions=True)
    pairs = [each for each in outcomes if isinstance(each, auth_pb2.TokenPair)]
    assert 1 == len(pairs)
    assert "INVALID_REFRESH_TOKEN" == await refusal(auth, pairs[0].refresh_token)


@pytest.mark.parametrize("token", ["", "pmr_unknown", "nul\x00", "é" * 1000])
async def test_unknown_refresh_tokens_are_refused(auth: Auth, token: str) -> None:
    """Anything that was never given out is INVALID_REFRESH_TOKEN."""
    assert "INVALID_REFRESH_TOKEN" == await refusal(auth, token)


async def test_an_expired_refresh_token_is_refused(auth: Auth) -> None:
    """A token past its life is INVALID_REFRESH_TOKEN."""
    registered = await auth.register("expired@example.org")
    session = (await auth.verifier.verify(registered.tokens.access_token)).session_id
    await auth.sql("UPDATE refresh_tokens SET expires_at = now() WHERE session_id = %s", session)
    assert "INVALID_REFRESH_TOKEN" == await refusal(auth, registered.tokens.refresh_token)


async def test_expired_sessions_are_swept_and_live_ones_are_not(auth: Auth) -> None:
    """A sweep deletes what is past its time, spent tokens too, and nothing else."""
    gone, kept = [await auth.register(f"{name}@example.org") for name in ("swept", "unswept")]
    await auth.refresh(gone.tokens.refresh_token)
    session = (await auth.verifier.verify(gone.tokens.access_token)).session_id
    for table, column in (("refresh_tokens", "session_id"), ("sessions", "id")):
        expire = sql.SQL("UPDATE {} SET expires_at = now() - interval '1 second' WHERE {} = %s")
        await auth.sql(expire.format(sql.Identifier(table), sql.Identifier(column)), session)
    engine = db.connect(auth.settings.database_url.get_secret_value(), SCHEMA)
    await Store(engine).forget_expired()
    await engine.dispose()
    assert [(0,)] == await auth.sql("SELECT count(*) FROM refresh_tokens WHERE session_id = %s", session)
    assert [(0,)] == await auth.sql("SELECT count(*) FROM sessions WHERE id = %s", session)
    assert (await auth.refresh(kept.tokens.refresh_token)).access_token


async def test_each_sees_its_own_organization(auth: Auth) -> None:
    """The organization is the token's."""
    one, other = [await auth.register(f"{name}@example.org") for name in ("tenant-one", "tenant-two")]
    assert one.user.organization == await auth.organization(one.tokens.access_token)
    assert other.user.organization == await auth.organization(other.tokens.access_token)
    assert one.user.organization.id != other.user.organization.id


async def test_services_act_inside_an_organization(auth: Auth) -> None:
    """The shared secret buys a token that names the organization, and that no account stands behind."""
    registered = await auth.register("service@example.org")
    response = await auth.service_token("shared among services", registered.user.organization.id)
    identity = await auth.verifier.verify(response.access_token)
    assert ("service:analysis", "service", "free", 900) == (
        identity.user_id,
        identity.role,
        identity.tier,
        response.expires_in,
    )
    assert registered.user.organization == await auth.organization(response.access_token)
    with pytest.raises(Forbidden):
        await auth.me(response.access_token)


@pytest.mark.parametrize(
    ("secret", "organization", "error"),
    [
        ("wrong", NOBODY, Forbidden),
        ("", NOBODY, Forbidden),
        ("shared among services", NOBODY, NotFound),
        ("shared among services", "not-a-uuid", InvalidArgument),
    ],
)
async def test_service_tokens_are_refused(
    auth: Auth, secret: str, organization: str, error: type[PagemeshError]
) -> None:
    """Without the secret nothing is told; with it, an unknown organization is."""
    with pytest.raises(error):
        await auth.service_token(secret, organization)


async def test_the_published_keys_are_public_ones(auth: Auth) -> None:
    """The JWK Set holds one Ed25519 key, without its private member."""
    keys = json.loads(await auth.jwks())["keys"]
    assert [("OKP", "Ed25519", "EdDSA", "sig", False)] == [
        (key["kty"], key["crv"], key["alg"], key["use"], "d" in key) for key in keys
    ]


@pytest.mark.parametrize("token", ["", "forged", "a.b.c"])
async def test_private_methods_need_a_token(auth: Auth, token: str) -> None:
    """Without a good one they are UNAUTHENTICATED."""
    with pytest.raises(Unauthenticated):
        await auth.me(token)
    with pytest.raises(Unauthenticated):
        await auth.organization(token)


async def test_health_tells_each_service(auth: Auth) -> None:
    """The whole and every gRPC service are SERVING while the database is there."""
    stub = health_pb2_grpc.HealthStub(auth.channel)
    names = ["", "auth", *(f"pagemesh.auth.v1.{kind}Service" for kind in ("Account", "Organization", "Token"))]
    states = [(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in names]
    assert [health_pb2.HealthCheckResponse.SERVING] * 5 == states


async def test_reflection_lists_the_services(auth: Auth) -> None:
    """Tools find the API without its files."""
    stub = reflection_pb2_grpc.ServerReflectionStub(auth.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name async for each in call for service in each.list_services_response.service}
    assert {f"pagemesh.auth.v1.{kind}Service" for kind in ("Account", "Organization", "Token")} <= names


async def test_replicas_share_their_keys_and_survive_a_restart(
    fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    """Two that start together on an empty database publish the same key, and so does the next to start."""
    url = fresh_database()
    one, other = settings_for(url, tmp_path, "one"), settings_for(url, tmp_path, "two")
    async with asyncio.TaskGroup() as group:
        first, second = [group.create_task(jwks_of(each)) for each in (one, other)]
    assert first.result() == second.result() == await jwks_of(one)


async def jwks_of(settings: AuthSettings) -> str:
    """Starts a service, asks it, and stops it."""
    async with serve(settings):
        caller = Auth(settings)
        jwks = await caller.jwks()
        await caller.channel.close()
    return jwks


async def test_a_key_that_had_its_term_gets_a_successor(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """The successor is published at once, the old key still signs, and both verify."""
    settings = settings_for(fresh_database(), tmp_path)
    before = json.loads(await jwks_of(settings))["keys"]
    await Auth(settings).sql("UPDATE signing_keys SET signs_from = now() - interval '31 days'")
    async with serve(settings):
        caller = Auth(settings)
        keys = json.loads(await caller.jwks())["keys"]
        token = (await caller.register("rotation@example.org")).tokens.access_token
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        await caller.channel.close()
    assert (before, 2, before[0]["kid"]) == (keys[:1], len(keys), header["kid"])


async def test_the_service_does_not_start_under_another_master_key(
    fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    """Signing keys that cannot be opened are never replaced silently."""
    settings = settings_for(fresh_database(), tmp_path)
    await jwks_of(settings)
    (tmp_path / "master.key").write_bytes(base64.b64encode(b"x" * 32))
    with pytest.raises(WrongMasterKey):
        await jwks_of(settings)


async def test_a_database_that_is_away_is_unavailable(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """Calls fail as UNAVAILABLE and name the dependency; the service answers again without a restart."""
    settings = settings_for(fresh_database(), tmp_path)
    async with serve(settings):
        caller = Auth(settings)
        await caller.register("away@example.org")
        async with locked_out(settings):
            with pytest.raises(Unavailable) as caught:
                await caller.login("away@example.org")
            assert {"dependency": "postgresql"} == caught.value.details
        assert "away@example.org" == (await caller.login("away@example.org")).user.email
        await caller.channel.close()


@asynccontextmanager
async def locked_out(settings: AuthSettings) -> AsyncIterator[None]:
    """Hangs up every connection to the service's database, and lets none in, within the block."""
    name = make_url(settings.database_url.get_secret_value()).database or ""
    alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    async with await psycopg.AsyncConnection.connect(dsn(settings, "postgres"), autocommit=True) as connection:
        await connection.execute(alter.format(sql.Identifier(name), sql.SQL("false")))
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        await connection.execute(alter.format(sql.Identifier(name), sql.SQL("true")))
