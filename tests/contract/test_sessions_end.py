"""Tokens that die before they expire: two replicas of `auth`, a real broker, and verifiers that follow it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from mesh import client, context
from mesh.bus import Bus
from mesh.errors import Forbidden, Unauthenticated
from mesh.identity import TokenVerifier
from mesh.verifier import remote_verifier
from pagemesh.auth.v1 import auth_pb2
from services.auth.__main__ import serve
from services.auth.settings import AuthSettings
from tests.contract.authing import Auth, refusal, settings_for
from tests.support.broker import eventually
from tests.support.servers import NatsServer


@pytest.fixture(autouse=True)
def _without_a_credential() -> None:
    context.bearer_token.set("")


@pytest.fixture(scope="module")
def replicas(
    fresh_database: Callable[[], str], nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> list[AuthSettings]:
    """Settings of two replicas."""
    url, directory = fresh_database(), tmp_path_factory.mktemp("auth")
    nats = {"nats_url": SecretStr(nats_server.url)}
    return [settings_for(url, directory, name).model_copy(update=nats) for name in ("one", "two")]


@pytest.fixture(scope="module")
async def running(replicas: list[AuthSettings]) -> AsyncIterator[list[Auth]]:
    """Clients of both."""
    async with AsyncExitStack() as stack:
        clients = []
        for settings in replicas:
            await stack.enter_async_context(serve(settings))
            clients.append(Auth(settings))
        yield clients
        for each in clients:
            await each.channel.close()


@pytest.fixture
async def verifier(replicas: list[AuthSettings], running: list[Auth]) -> AsyncIterator[TokenVerifier]:
    """What any other service verifies with."""
    settings = replicas[0].model_copy(update={"auth_url": replicas[0].listen})
    bus = await Bus.connect(settings)
    yield await remote_verifier(settings, bus)
    await bus.close()


async def logout(auth: Auth, token: str) -> auth_pb2.LogoutResponse:
    """Ends the token's session."""
    context.bearer_token.set(token)
    return await client.call(auth.accounts.Logout, auth_pb2.LogoutRequest())


async def is_dead(verifier: TokenVerifier, token: str) -> bool:
    """Whether the verifier refuses the token."""
    try:
        await verifier.verify(token)
    except Unauthenticated:
        return True
    return False


async def test_logging_out_ends_the_session_everywhere(running: list[Auth], verifier: TokenVerifier) -> None:
    """At the replica that did it at once, at the other and at any service soon; and only that session."""
    one, other = running
    first = (await one.register("logout@example.org")).tokens
    second = (await one.login("logout@example.org")).tokens
    await verifier.verify(first.access_token)
    [event] = (await logout(one, first.access_token)).events
    assert (await one.verifier.verify(first.access_token)).session_id == event.subject_id
    for replica in (one, other):
        with pytest.raises(Unauthenticated):
            await replica.me(first.access_token)
    assert "INVALID_REFRESH_TOKEN" == await refusal(other, first.refresh_token)
    await eventually(lambda: is_dead(verifier, first.access_token))
    assert not await is_dead(verifier, second.access_token)
    assert (await other.refresh(second.refresh_token)).access_token


async def test_a_service_that_was_away_knows_what_ended_meanwhile(
    replicas: list[AuthSettings], running: list[Auth]
) -> None:
    """A verifier that starts after the event refuses the token from the first."""
    auth = running[0]
    tokens = (await auth.register("meanwhile@example.org")).tokens
    await logout(auth, tokens.access_token)
    await eventually(lambda: nothing_waits(auth))
    settings = replicas[0].model_copy(update={"auth_url": replicas[0].listen})
    bus = await Bus.connect(settings)
    assert await is_dead(await remote_verifier(settings, bus), tokens.access_token)
    await bus.close()


async def nothing_waits(auth: Auth) -> bool:
    """Whether every event was published."""
    return [(0,)] == await auth.sql("SELECT count(*) FROM identity_events WHERE published_at IS NULL")


async def test_a_spent_refresh_token_kills_the_access_tokens_too(running: list[Auth], verifier: TokenVerifier) -> None:
    """Reuse ends the session for every verifier."""
    first = (await running[0].register("reused@example.org")).tokens
    second = await running[0].refresh(first.refresh_token)
    assert "INVALID_REFRESH_TOKEN" == await refusal(running[1], first.refresh_token)
    await eventually(lambda: is_dead(verifier, second.access_token))


async def test_what_could_not_be_told_is_told_later(
    running: list[Auth], verifier: TokenVerifier, nats_server: NatsServer
) -> None:
    """With the broker away logging out works all the same, and verifiers learn of it when it is back."""
    tokens = (await running[0].register("broker-away@example.org")).tokens
    nats_server.stop()
    await logout(running[0], tokens.access_token)
    assert not await is_dead(verifier, tokens.access_token)
    nats_server.start()
    await eventually(lambda: is_dead(verifier, tokens.access_token))


async def test_a_broker_that_lost_its_store_is_told_again(
    replicas: list[AuthSettings], running: list[Auth], nats_server: NatsServer
) -> None:
    """Who starts after the broker was wiped still learns what ended before."""
    tokens = (await running[0].register("wiped@example.org")).tokens
    await logout(running[0], tokens.access_token)
    await eventually(lambda: nothing_waits(running[0]))
    await asyncio.to_thread(nats_server.wipe)
    settings = replicas[0].model_copy(update={"auth_url": replicas[0].listen})
    bus = await Bus.connect(settings)
    verifier = await remote_verifier(settings, bus)
    await eventually(lambda: is_dead(verifier, tokens.access_token))
    await bus.close()


async def test_who_has_no_session_cannot_end_one(running: list[Auth]) -> None:
    """A service's token is Forbidden."""
    user = (await running[0].register("no-session@example.org")).user
    token = await running[0].service_token("shared among services", user.organization.id)
    with pytest.raises(Forbidden):
        await logout(running[0], token.access_token)
