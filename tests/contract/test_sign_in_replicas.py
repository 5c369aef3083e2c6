"""Signing in by providers over gRPC: two replicas of `auth`, and what happens at the same moment elsewhere."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from mesh import client, context, db
from mesh.errors import InvalidArgument, NotFound, Unavailable
from pagemesh.auth.v1 import events_pb2, signin_pb2, signin_pb2_grpc
from services.auth.__main__ import serve
from services.auth.records import ExternalIdentity, NewAccount, NewApiKey, NewUser, OrganizationSettings
from services.auth.store import SCHEMA, Store
from services.auth.tokens import fingerprint, new_refresh_token
from tests.contract.authing import Auth, locked_out, settings_for
from tests.support.github_server import Account, GithubServer
from tests.support.servers import NatsServer
from tests.support.sign_in import Returned, github_settings, github_sign_in

LIFE = timedelta(days=1)


@pytest.fixture(autouse=True)
def _without_a_credential() -> None:
    context.bearer_token.set("")


@pytest.fixture(scope="module")
def github() -> Iterator[GithubServer]:
    """GitHub, where Ada has an account."""
    with GithubServer() as server:
        emails = [{"email": "ada@example.org", "primary": True, "verified": True}]
        server.accounts["ada"] = Account(1815, emails, "Ada Lovelace")
        yield server


@pytest.fixture(scope="module")
async def replicas(
    fresh_database: Callable[[], str],
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
    github: GithubServer,
) -> AsyncIterator[list[Auth]]:
    """Clients of both."""
    url, directory = fresh_database(), tmp_path_factory.mktemp("auth")
    changed = {
        "nats_url": SecretStr(nats_server.url),
        "sign_in_providers": {"github": github_settings(github)},
    }
    async with AsyncExitStack() as stack:
        clients = []
        for name in ("one", "two"):
            settings = settings_for(url, directory, name).model_copy(update=changed)
            await stack.enter_async_context(serve(settings))
            clients.append(Auth(settings))
        yield clients
        for each in clients:
            await each.channel.close()


@pytest.fixture
async def store(replicas: list[Auth]) -> AsyncIterator[Store]:
    """The record itself."""
    engine = db.connect(replicas[0].settings.database_url.get_secret_value(), SCHEMA)
    yield Store(engine)
    await engine.dispose()


async def begin(auth: Auth, provider: str = "github") -> str:
    """Where the browser is sent."""
    stub = signin_pb2_grpc.SignInServiceStub(auth.channel)
    request = signin_pb2.BeginSignInRequest(provider=provider)
    return (await client.call(stub.BeginSignIn, request)).authorization_url


async def finish(auth: Auth, returned: Returned, provider: str = "github") -> signin_pb2.FinishSignInResponse:
    """What comes of it."""
    stub = signin_pb2_grpc.SignInServiceStub(auth.channel)
    request = signin_pb2.FinishSignInRequest(provider=provider, **returned)
    return await client.call(stub.FinishSignIn, request)


async def test_any_replica_finishes_what_another_began_and_none_does_it_twice(replicas: list[Auth]) -> None:
    """States are sealed by a key that all have, and spent in the record that all share."""
    one, two = replicas
    returned = await github_sign_in(await begin(one), "ada")
    opened = await finish(two, returned)
    assert ("ada@example.org", True, []) == (opened.user.email, opened.user.email_verified, list(opened.events))
    assert opened.user == await one.me(opened.tokens.access_token)
    for replica in replicas:
        with pytest.raises(InvalidArgument) as caught:
            await finish(replica, returned)
        assert "INVALID_OAUTH_STATE" == caught.value.reason


async def test_the_answer_tells_what_is_dead(replicas: list[Auth], github: GithubServer) -> None:
    """So that whoever asked need not wait for the broker: what was given out before the address was proved."""
    before = await replicas[0].register("unproved@example.org")
    github.accounts["prover"] = Account(1, [{"email": "unproved@example.org", "primary": True, "verified": True}])
    opened = await finish(replicas[0], await github_sign_in(await begin(replicas[0]), "prover"))
    [event] = opened.events
    assert (events_pb2.IDENTITY_EVENT_KIND_USER_SIGNED_OUT, before.user.id) == (event.kind, event.subject_id)
    old, new = [await replicas[0].verifier.verify(tokens.access_token) for tokens in (before.tokens, opened.tokens)]
    assert old.generation < event.generation <= new.generation


async def test_an_unknown_provider_is_not_found(replicas: list[Auth]) -> None:
    """In both steps."""
    with pytest.raises(NotFound):
        await begin(replicas[0], "google")
    with pytest.raises(NotFound):
        await finish(replicas[0], {"code": "c", "state": "s"}, "google")


async def test_beginning_needs_no_database(replicas: list[Auth]) -> None:
    """Finishing does, and spends nothing while it is away."""
    async with locked_out(replicas[0].settings):
        returned = await github_sign_in(await begin(replicas[0]), "ada")
        with pytest.raises(Unavailable) as caught:
            await finish(replicas[0], returned)
    assert "postgresql" == caught.value.details["dependency"]
    assert "ada@example.org" == (await finish(replicas[0], returned)).user.email


def proof(email: str) -> tuple[ExternalIdentity, NewAccount]:
    """Somebody who proves an address, with the account that they would get."""
    identity = ExternalIdentity("https://id.example.org", email, email, "Ada Lovelace")
    user = NewUser(email, "Ada Lovelace", None, email_verified=True)
    return identity, NewAccount(user, "Ada's", "free", OrganizationSettings())


async def test_a_login_that_was_under_way_opens_nothing(replicas: list[Auth], store: Store) -> None:
    """Its password was verified before somebody proved the address, its session would begin after."""
    await replicas[0].register("underway@example.org")
    stranger = await store.user_by_email("underway@example.org")
    assert stranger
    assert await store.sign_in(*proof("underway@example.org"), fingerprint(new_refresh_token()), LIFE)
    assert await store.open_session(stranger, fingerprint(new_refresh_token()), LIFE) is None
    key = NewApiKey("late", fingerprint("pmk_late"), "pmk_late", None, None)
    assert await store.add_api_key(stranger, key) is None
    owner = await store.user_by_email("underway@example.org")
    assert owner
    assert (None, True) == (owner.password_hash, owner.email_verified)
    assert await store.add_api_key(owner, key)


async def test_spent_states_are_swept_when_nobody_would_take_them(replicas: list[Auth], store: Store) -> None:
    """Not before: the sweep must not make one good again."""
    now = datetime.now(UTC)
    assert await store.spend_state(b"past", now - timedelta(seconds=1))
    assert await store.spend_state(b"present", now + timedelta(minutes=1))
    await store.forget_expired()
    assert [True, False] == [await store.spend_state(each, now + LIFE) for each in (b"past", b"present")]
