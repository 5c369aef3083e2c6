"""Identity tokens that a provider has not signed, or that say what it may not."""

import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import urlsafe_b64encode

from tests.contract.sign_in_range import BAD_CODE, Range, forgery, refused, target
from tests.support import forger as forged
from tests.support.forger import Forger, secret_key

__all__ = ["target"]  # a fixture


async def test_an_honest_token_of_the_forger_is_taken(target: Range) -> None:
    """So that what follows is refused for what is wrong with it."""
    answer = await target.forge(partial(forgery, target.forger, {}))
    assert 200 == answer.status_code, answer.text


FORGERIES: dict[str, dict[str, Any]] = {
    "other audience": {"aud": "somebody else"},
    "other audience, authorized for us": {"aud": "somebody else", "azp": forged.CLIENT_ID},
    "several audiences without azp": {"aud": [forged.CLIENT_ID, "somebody else"]},
    "authorized for another": {"aud": [forged.CLIENT_ID, "somebody else"], "azp": "somebody else"},
    "no audience": {"aud": None},
    "other issuer": {"iss": "https://accounts.google.com"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 3_600},
    "no expiry": {"exp": None},
    "endless": {"exp": "never"},
    "not yet": {"nbf": int(time.time()) + 3_600},
    "issued tomorrow": {"iat": int(time.time()) + 86_400},
    "other nonce": {"nonce": "of another sign-in"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "endless subject": {"sub": "x" * 256},
    "unprintable subject": {"sub": "nul\x00"},
    "subject of another type": {"sub": 1},
    "other access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("changed", FORGERIES.values(), ids=list(FORGERIES))
async def test_id_tokens_with_wrong_claims_are_refused(target: Range, changed: dict[str, Any]) -> None:
    """400, and nobody is signed in."""
    answer = await target.forge(partial(forgery, target.forger, changed))
    assert BAD_CODE == refused(answer)


def unsigned(forger: Forger, claims: dict[str, Any]) -> str:
    """A token that says that it needs no signature."""
    payload = forger.sign(claims).split(".")[1]
    return f"{encoded({'alg': 'none'})}.{payload}."


def encoded(content: object) -> str:
    """JSON in base64url."""
    return urlsafe_b64encode(json.dumps(content).encode()).decode()


def signed_by_secret(forger: Forger, claims: dict[str, Any]) -> str:
    """Signed by HMAC with the client's secret."""
    return forger.sign(claims, "HS256", secret_key())


def signed_by_public_key(forger: Forger, claims: dict[str, Any]) -> str:
    """Signed by HMAC with the public key, which everybody has."""
    public = json.dumps(forger.key.as_dict(private=False)).encode()
    return forger.sign(claims, "HS256", OctKey.import_key(public), kid=forger.key.kid)


def signed_by_stranger(forger: Forger, claims: dict[str, Any]) -> str:
    """Signed by another key under the published name."""
    return forger.sign(claims, key=RSAKey.generate_key(2048, {"kid": forger.key.kid or ""}))


def signed_by_own_key(forger: Forger, claims: dict[str, Any]) -> str:
    """Signed by a key that comes in the header."""
    stranger = RSAKey.generate_key(2048)
    return forger.sign(claims, key=stranger, kid=forger.key.kid, jwk=stranger.as_dict(private=False))


def altered(forger: Forger, claims: dict[str, Any]) -> str:
    """With claims that were not signed."""
    header, _, signature = forger.sign(claims).split(".")
    return f"{header}.{encoded({**claims, 'email': 'victim@example.org'})}.{signature}"


@pytest.mark.parametrize(
    "make", [unsigned, signed_by_secret, signed_by_public_key, signed_by_stranger, signed_by_own_key, altered]
)
async def test_id_tokens_with_wrong_signatures_are_refused(
    target: Range, make: Callable[[Forger, dict[str, Any]], str]
) -> None:
    """Whatever the header says; only published keys count, and only algorithms of the list."""
    answer = await target.forge(lambda nonce: make(target.forger, target.forger.claims(nonce)))
    assert BAD_CODE == refused(answer)


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "." * 300, "é.é.é"])
async def test_what_is_no_id_token_is_refused(target: Range, text: str) -> None:
    """400."""
    assert BAD_CODE == refused(await target.forge(lambda nonce: text))


async def test_a_provider_that_signs_by_shared_secret_is_not_believed(target: Range) -> None:
    """A real one, as its operator set it up: HS256 is on no list."""
    assert BAD_CODE == refused(await target.finish("corp-hs256", await target.corp_returns("corp-hs256")))


async def test_a_replaced_signing_key_is_asked_for(target: Range) -> None:
    """The issuer may change keys at any time; the old one is believed no longer than it is published."""
    forger, old = target.forger, target.forger.key
    forger.key = RSAKey.generate_key(2048, {"kid": "two"})
    forger.published = [forger.key]
    answer = await target.forge(partial(forgery, forger, {}))
    assert 200 == answer.status_code, answer.text
    assert BAD_CODE == refused(await target.forge(lambda nonce: forger.sign(forger.claims(nonce), key=old)))


async def test_userinfo_may_hold_the_address(target: Range) -> None:
    """Where the ID token has none; of another subject it is not believed."""
    forger = target.forger
    claims = {"sub": f"s{uuid.uuid4().hex}", "email": None, "email_verified": None}
    forger.userinfo = {"sub": "somebody else", "email": "userinfo@example.org", "email_verified": True}
    assert BAD_CODE == refused(await target.forge(partial(forgery, forger, claims)))
    forger.userinfo["sub"] = claims["sub"]
    answer = await target.forge(partial(forgery, forger, claims))
    assert "userinfo@example.org" == answer.json()["user"]["email"]
    forger.userinfo = {}


@pytest.mark.parametrize(
    "claims",
    [{"email": "no address"}, {"email": ["a@example.org"]}, {"email_verified": 1}, {"email_verified": "yes"}],
    ids=str,
)
async def test_addresses_that_are_none_are_not_verified(target: Range, claims: dict[str, Any]) -> None:
    """403: who they are is proved, where they are is not."""
    subject = f"s{uuid.uuid4().hex}"
    answer = await target.forge(partial(forgery, target.forger, {"sub": subject, **claims}))
    assert (403, "email_not_verified") == refused(answer)


async def test_a_provider_vouches_for_its_own_domains_only(target: Range) -> None:
    """Where the operator lists them: an address elsewhere counts as unverified."""
    forger = target.forger
    for email, status in (("a@elsewhere.example.org", 403), ("a@CORP.example.org", 200), ("a@x.corp.example.org", 403)):
        begun = await target.begin("forged-domain")
        claims = forger.claims(begun["nonce"], sub=f"s{uuid.uuid4().hex}", email=email)
        forger.id_token = forger.sign(claims)
        answer = await target.finish("forged-domain", {"code": forged.CODE, "state": begun["state"]})
        assert status == answer.status_code


async def test_a_name_that_cannot_be_shown_is_made_showable(target: Range) -> None:
    """Control characters and length are the provider's problem, not the person's."""
    forger = target.forger
    for name, shown in ((f"nul\x00{'x' * 300}", f"nul{'x' * 197}"), ("\x00", "odd-name"), ({"a": 1}, "odd-name")):
        claims = {"sub": f"s{uuid.uuid4().hex}", "email": f"odd-name@{uuid.uuid4()}.example.org", "name": name}
        answer = await target.forge(partial(forgery, forger, claims))
        assert shown == answer.json()["user"]["full_name"]
