"""Which tokens prove a caller."""

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest

from mesh import identity
from mesh.errors import Forbidden, Unauthenticated, Unavailable
from mesh.identity import Identity, TokenVerifier
from tests.support.broker import eventually
from tests.support.tokens import Signer

ORGANIZATION = "6f1f0b8e-0000-4000-8000-000000000001"


async def test_a_good_token_proves_its_claims() -> None:
    """User, organization, role, tier and session are those of the token."""
    signer = Signer()
    expires = int(time.time()) + 60
    token = signer.token(sub="user", org=ORGANIZATION, role="user", tier="free", sid="session", exp=expires)
    expected = Identity("user", ORGANIZATION, "user", "free", "session", expires)
    assert expected == await signer.verifier().verify(token)


async def test_a_token_is_for_its_audience() -> None:
    """Operators' tokens prove nobody but to whom they are for."""
    signer = Signer()
    token = signer.token(aud=identity.OPERATOR_AUDIENCE)
    with pytest.raises(Unauthenticated):
        await signer.verifier().verify(token)
    both = TokenVerifier(signer.jwks, audiences=(identity.AUDIENCE, identity.OPERATOR_AUDIENCE))
    assert ["admin", "admin"] == [(await both.verify(each)).role for each in (token, signer.token())]


async def test_left_out_claims_mean_the_least() -> None:
    """Without a role or tier a caller is a user of the free one."""
    signer = Signer()
    caller = await signer.verifier().verify(signer.token(role=None, tier=None, sid=None))
    assert ("user", "free", "") == (caller.role, caller.tier, caller.session_id)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"org": None},
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "somebody"},
        {"aud": None},
        {"exp": int(time.time()) - 6},
    ],
)
async def test_wrong_claims_are_refused(claims: dict[str, Any]) -> None:
    """Expired, incomplete, or made by or for somebody else."""
    signer = Signer()
    with pytest.raises(Unauthenticated):
        await signer.verifier().verify(signer.token(**claims))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "." * 10, "a" * 100_000])
async def test_garbage_is_refused(token: str) -> None:
    """Whatever it looks like."""
    with pytest.raises(Unauthenticated):
        await Signer().verifier().verify(token)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_other_algorithms_are_refused() -> None:
    """Neither "none", nor the public key used as a shared secret, nor another key under the same id."""
    signer = Signer()
    claims = signer.token().split(".")[1]
    unsigned = f"{_part({'alg': 'none', 'kid': signer.kid})}.{claims}."
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    secret = base64.urlsafe_b64decode(signer.public["x"] + "==")
    shared = jwt.encode(decoded, secret, "HS256", headers={"kid": signer.kid})
    for token in (unsigned, shared, Signer(signer.kid).token()):
        with pytest.raises(Unauthenticated):
            await signer.verifier().verify(token)


async def test_a_changed_token_is_refused_also_after_a_good_one() -> None:
    """Remembering a token remembers that very token."""
    signer = Signer()
    verifier, token = signer.verifier(), signer.token()
    await verifier.verify(token)
    head, claims, signature = token.split(".")
    with pytest.raises(Unauthenticated):
        await verifier.verify(f"{head}.{claims}.{'A' * len(signature)}")


async def test_a_remembered_token_expires_all_the_same() -> None:
    """A token is not good for longer because it was good once."""
    signer = Signer()
    verifier = signer.verifier()
    token = signer.token(exp=int(time.time()) - 4)  # clocks may differ by 5 seconds, so it is good for one more
    await verifier.verify(token)

    async def is_refused() -> bool:
        try:
            await verifier.verify(token)
        except Unauthenticated:
            return True
        return False

    await eventually(is_refused)


async def test_keys_are_fetched_once_and_forged_key_ids_do_not_fetch_them_again() -> None:
    """A hundred forgeries cost `auth` nothing."""
    signer = Signer()
    verifier = signer.verifier()
    await verifier.verify(signer.token())
    for number in range(100):
        with pytest.raises(Unauthenticated):
            await verifier.verify(Signer(f"forged-{number}").token())
    assert 1 == signer.asked


async def test_a_new_key_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that signs for the first time is fetched once the last fetch is a moment old."""
    monkeypatch.setattr(identity, "_UNKNOWN_KEY_PAUSE_SECONDS", 0.0)
    old, new = Signer("old"), Signer("new")
    published = [old.public]

    async def fetch() -> str:
        return json.dumps({"keys": published})

    verifier = TokenVerifier(fetch)
    await verifier.verify(old.token())
    published.append(new.public)
    assert "pro" == (await verifier.verify(new.token())).tier
    assert "pro" == (await verifier.verify(old.token())).tier


async def test_without_keys_nobody_is_refused_for_good() -> None:
    """While `auth` is away the error says so; it does not say that the token is bad."""

    async def fetch() -> str:
        raise Unavailable("away", dependency="auth")

    with pytest.raises(Unavailable):
        await TokenVerifier(fetch).verify(Signer().token())


async def test_callers_do_not_leak_between_tasks() -> None:
    """Each task has its own caller, and without one there is none."""
    caller = Identity("u", "o", "user", "free", "", 0.0)

    async def become() -> str:
        identity.become(caller)
        return identity.current().user_id

    identity.become(None)
    assert "u" == await asyncio.create_task(become())
    with pytest.raises(Unauthenticated):
        identity.current()


def test_roles_are_required() -> None:
    """Another role is forbidden."""
    caller = Identity("u", "o", "user", "free", "", 0.0)
    caller.require_role("admin", "user")
    with pytest.raises(Forbidden):
        caller.require_role("admin")
