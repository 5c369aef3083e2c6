"""Signing keys: published, shared by replicas, replaced after their term, kept under the master key."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.auth.__main__ import serve
from services.auth.master_keys import WrongMasterKey
from services.auth.settings import AuthSettings
from tests.contract.authing import Auth, _without_a_credential, auth, settings_for

__all__ = ["_without_a_credential", "auth"]  # fixtures


async def test_the_published_keys_are_public_ones(auth: Auth) -> None:
    """The JWK Set holds one Ed25519 key, without its private member."""
    keys = json.loads(await auth.jwks())["keys"]
    assert [("OKP", "Ed25519", "EdDSA", "sig", False)] == [
        (key["kty"], key["crv"], key["alg"], key["use"], "d" in key) for key in keys
    ]


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
