"""Refresh tokens: each is good once, and a spent one ends its family."""

import asyncio

import pytest
from psycopg import sql

from mesh import db
from mesh.errors import (
    Unauthenticated,
)
from pagemesh.auth.v1 import auth_pb2
from services.auth.store import SCHEMA, Store
from tests.contract.authing import Auth, _without_a_credential, auth, refusal

__all__ = ["_without_a_credential", "auth"]  # fixtures


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
