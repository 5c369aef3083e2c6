"""What strangers may try at signing in by providers: the real `auth` behind a gateway, providers honest and not."""

import asyncio
import gzip
import json
import logging
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import urlsafe_b64encode
from pydantic import SecretStr

from services.auth import outgoing
from services.auth.sign_in_states import States, s256
from tests.contract.authing import settings_for
from tests.support import forger as forged
from tests.support import github_server, openid
from tests.support.forger import Forger, secret_key
from tests.support.github_server import Account, GithubServer
from tests.support.identity_mesh import IdentityMesh, identity_mesh
from tests.support.loopback import Answer, LoopbackServer
from tests.support.servers import NatsServer
from tests.support.sign_in import (
    OpenIdServer,
    Returned,
    forger_settings,
    github_settings,
    github_sign_in,
    parameters_of,
)

BAD_STATE = (400, "invalid_oauth_state")
BAD_CODE = (400, "invalid_oauth_code")
AWAY = (503, "unavailable")


@dataclass
class Range:
    """Everything to shoot at."""

    mesh: IdentityMesh
    master_key: bytes
    corp: OpenIdServer
    github: GithubServer
    forger: Forger

    async def begin(self, provider: str) -> dict[str, str]:
        """The parameters that the browser is sent with."""
        return parameters_of(await self.page(provider))

    async def page(self, provider: str) -> str:
        """Where the browser is sent."""
        answer = await self.mesh.client().get(f"/auth/oauth/{provider}/authorize")
        assert 302 == answer.status_code, answer.text
        return answer.headers["location"]

    async def finish(self, provider: str, returned: Returned, replica: int = 0) -> httpx.Response:
        """What comes of it."""
        return await self.mesh.client(replica).post(f"/auth/oauth/{provider}", params=returned)

    async def corp_returns(self, provider: str = "corp") -> Returned:
        """What the honest provider sends back for somebody new."""
        name = f"e{uuid.uuid4().hex}"
        await self.corp.tell(name, email=f"{name}@example.org", email_verified=True)
        return await self.corp.sign_in(await self.page(provider), name)

    async def github_returns(self) -> Returned:
        """What GitHub sends back for somebody new."""
        login = f"c{uuid.uuid4().hex}"
        emails = [{"email": f"{login}@example.org", "primary": True, "verified": True}]
        self.github.accounts[login] = Account(uuid.uuid4().int >> 80, emails)
        return await github_sign_in(await self.page("github"), login)

    async def forge(self, make: Callable[[str], str]) -> httpx.Response:
        """What comes of an ID token made from the nonce."""
        begun = await self.begin("forged")
        self.forger.id_token = make(begun["nonce"])
        return await self.finish("forged", {"code": forged.CODE, "state": begun["state"]})


def forgery(forger: Forger, changed: dict[str, Any], nonce: str) -> str:
    """A well-signed token with some claims changed."""
    return forger.sign(forger.claims(nonce, **changed))


@pytest.fixture(scope="module")
async def target(
    fresh_database: Callable[[], str], nats_server: NatsServer, corp: OpenIdServer
) -> AsyncIterator[Range]:
    """A mesh for all tests here."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory, GithubServer() as github, Forger() as forger:
        settings = settings_for(fresh_database(), Path(directory))
        changed = {
            "nats_url": SecretStr(nats_server.url),
            "sign_in_providers": {
                "corp": corp.settings(),
                "corp-hs256": corp.settings(openid.HS256_CLIENT_ID),
                "github": github_settings(github),
                "forged": forger_settings(forger),
                "forged-domain": forger_settings(forger).model_copy(update={"email_domains": ("corp.example.org",)}),
            },
        }
        async with identity_mesh(settings.model_copy(update=changed), Path(directory)) as running:
            yield Range(running, settings.master_keys()[0], corp, github, forger)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, str(answer.json().get("error"))


async def test_a_state_is_good_once(target: Range) -> None:
    """Spent at one gateway it is spent at the other, and of many at once one gets in."""
    returned = await target.corp_returns()
    assert 200 == (await target.finish("corp", returned)).status_code
    assert [BAD_STATE] * 2 == [refused(await target.finish("corp", returned, replica)) for replica in (0, 1)]
    returned = await target.github_returns()
    answers = await asyncio.gather(*(target.finish("github", returned, number % 2) for number in range(8)))
    assert [200, *[400] * 7] == sorted(answer.status_code for answer in answers)


async def test_a_spent_state_written_differently_is_still_spent(target: Range) -> None:
    """Base64 has several texts for the same bytes."""
    returned = await target.github_returns()
    assert 200 == (await target.finish("github", returned)).status_code
    for other in (returned["state"] + "=", returned["state"][:9] + "!" + returned["state"][9:]):
        assert BAD_STATE == refused(await target.finish("github", {**returned, "state": other}))


async def test_a_failed_try_spends_the_state_too(target: Range) -> None:
    """Guessing codes needs a state for each guess."""
    returned = await target.corp_returns()
    assert BAD_CODE == refused(await target.finish("corp", {**returned, "code": "a guess"}))
    assert BAD_STATE == refused(await target.finish("corp", returned))


async def test_a_state_of_another_provider_is_refused(target: Range) -> None:
    """Also of another client at the same issuer, and the state stays good where it belongs."""
    returned = await target.corp_returns()
    for provider in ("github", "corp-hs256", "forged"):
        assert BAD_STATE == refused(await target.finish(provider, returned))
    assert 200 == (await target.finish("corp", returned)).status_code


async def test_a_state_expires(target: Range) -> None:
    """Ten minutes after it was made."""
    _, expired = States([target.master_key], timedelta(seconds=-1)).begin("github", "")
    _, fresh = States([target.master_key], timedelta(seconds=60)).begin("github", "")
    assert BAD_STATE == refused(await target.finish("github", {"code": "any", "state": expired}))
    assert BAD_CODE == refused(await target.finish("github", {"code": "any", "state": fresh}))


@pytest.mark.parametrize("state", ["", "x", "é", "=" * 50, "A" * 300, "A" * 60_000, "nul\x00", '{"nonce": ""}'])
async def test_what_is_no_state_is_refused(target: Range, state: str) -> None:
    """Whatever it is."""
    assert BAD_STATE == refused(await target.finish("github", {"code": "any", "state": state}))


async def test_a_state_cannot_be_altered_or_made_elsewhere(target: Range) -> None:
    """Every bit is authenticated, by this installation's key."""
    returned = await target.github_returns()
    sealed = returned["state"]
    for place in range(0, len(sealed), 16):
        altered = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        assert BAD_STATE == refused(await target.finish("github", {**returned, "state": altered}))
    _, foreign = States([bytes(32)]).begin("github", "")
    assert BAD_STATE == refused(await target.finish("github", {**returned, "state": foreign}))
    assert 200 == (await target.finish("github", returned)).status_code


@pytest.mark.parametrize("provider", ["corp", "github"])
async def test_a_code_of_another_session_is_refused(target: Range, provider: str) -> None:
    """PKCE binds the code to the state that it was asked for with: neither theft nor injection works."""
    returns = target.corp_returns if provider == "corp" else target.github_returns
    victim, stranger = await returns(), await returns()
    injected = {"code": victim["code"], "state": stranger["state"]}
    assert BAD_CODE == refused(await target.finish(provider, injected))


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(target: Range) -> None:
    """The issuer wants it, and it never left the auth service but sealed."""
    returned = await target.corp_returns()
    form = {
        "grant_type": "authorization_code",
        "code": returned["code"],
        "redirect_uri": openid.REDIRECT_URI,
        "client_id": openid.CLIENT_ID,
        "client_secret": openid.CLIENT_SECRET,
    }
    async with httpx.AsyncClient() as thief:
        for guess, error in (({}, "invalid_request"), ({"code_verifier": returned["state"][:64]}, "invalid_grant")):
            answer = await thief.post(f"{target.corp.url}/o/token/", data={**form, **guess})
            assert (400, error) == (answer.status_code, answer.json()["error"])


async def test_the_verifier_is_that_of_the_challenge(target: Range) -> None:
    """Each sign-in has one of its own, of 256 bits at least."""
    verifiers = []
    for _ in range(2):
        begun = await target.begin("forged")
        await target.finish("forged", {"code": forged.CODE, "state": begun["state"]})
        sent = [asked.form for asked in target.forger.asked if asked.path == "/token"][-1]
        assert begun["code_challenge"] == s256(sent["code_verifier"])
        verifiers.append(sent["code_verifier"])
    assert 2 == len(set(verifiers))
    assert all(len(verifier) >= 43 for verifier in verifiers)


@pytest.mark.parametrize("code", ["", "a guess", "nul\x00", "line\nbreak", "é", "x" * 5_000])
async def test_what_is_no_code_is_refused(target: Range, code: str) -> None:
    """400, whatever it is; what could be none is not even sent."""
    for provider in ("corp", "github"):
        begun = await target.begin(provider)
        assert BAD_CODE == refused(await target.finish(provider, {"code": code, "state": begun["state"]}))


async def test_left_out_parameters_are_bad_ones(target: Range) -> None:
    """400 in every combination."""
    begun = await target.begin("github")
    given = {"code": "a guess", "state": begun["state"]}
    assert BAD_STATE == refused(await target.finish("github", {}))
    assert BAD_STATE == refused(await target.finish("github", {"code": given["code"]}))
    assert BAD_CODE == refused(await target.finish("github", {"state": given["state"]}))


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


RUDE = {
    "failing": Answer(500),
    "overloaded": Answer(429),
    "not JSON": Answer(body=b"<html>"),
    "no object": Answer(body=b"[]"),
    "endless": Answer(body=b" " * (1 << 20) + b"{}"),
    "unfolding": Answer(body=gzip.compress(b" " * (1 << 24) + b"{}"), headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("rude", RUDE.values(), ids=list(RUDE))
async def test_a_provider_that_answers_badly_is_away(target: Range, rude: Answer) -> None:
    """503 with Retry-After, at the token endpoint and the API."""
    returned = await target.github_returns()
    begun = await target.begin("forged")
    target.github.rude = target.forger.rude = rude
    try:
        answers = [
            await target.finish("github", returned),
            await target.finish("forged", {"code": forged.CODE, "state": begun["state"]}),
        ]
    finally:
        target.github.rude = target.forger.rude = None
    assert [AWAY] * 2 == [refused(answer) for answer in answers]
    assert {"5"} == {answer.headers["retry-after"] for answer in answers}


async def test_an_ailing_provider_is_asked_once(target: Range) -> None:
    """No call between our services multiplies what a person asked for."""
    returned = await target.github_returns()
    target.github.rude, before = Answer(503), len(target.github.asked)
    try:
        assert AWAY == refused(await target.finish("github", returned))
    finally:
        target.github.rude = None
    assert 1 == len(target.github.asked) - before


async def test_redirects_are_not_followed(target: Range) -> None:
    """Neither a code nor a secret goes where the operator did not say."""
    returned = await target.github_returns()
    with LoopbackServer() as elsewhere:
        target.github.rude = Answer(307, headers={"location": f"{elsewhere.url}/token"})
        try:
            assert AWAY == refused(await target.finish("github", returned))
        finally:
            target.github.rude = None
        assert [] == elsewhere.asked


@pytest.mark.parametrize("bound", ["_SECONDS", "_TOGETHER_SECONDS"])
async def test_a_provider_that_is_silent_is_not_waited_for_forever(
    target: Range, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """503 when its time is up, for one answer or for all together."""
    returned = await target.github_returns()
    monkeypatch.setattr(outgoing, bound, 0.2)
    target.github.silent = threading.Event()
    began = time.monotonic()
    try:
        assert AWAY == refused(await target.finish("github", returned))
    finally:
        target.github.silent.set()
        target.github.silent = None
    assert time.monotonic() - began < 4


async def test_our_own_wrong_secret_is_no_fault_of_the_code(
    target: Range, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """503, and the log tells the operator what the provider said."""
    returned = await target.github_returns()
    monkeypatch.setattr(target.github, "client_secret", "another")
    assert AWAY == refused(await target.finish("github", returned))
    assert "incorrect_client_credentials" in str([record.__dict__ for record in caplog.records])


async def test_nothing_secret_is_logged_or_stored(target: Range, caplog: pytest.LogCaptureFixture) -> None:
    """Neither codes, states, verifiers, tokens nor client secrets, when all goes well and when it does not."""
    with caplog.at_level(logging.DEBUG, "services"), caplog.at_level(logging.DEBUG, "mesh"):
        returned = await target.github_returns()
        good = (await target.finish("github", returned)).json()
        begun = await target.begin("forged")
        target.forger.id_token = target.forger.sign(target.forger.claims("another nonce"))
        await target.finish("forged", {"code": forged.CODE, "state": begun["state"]})
        await target.finish("github", {"code": "a guess", "state": (await target.begin("github"))["state"]})
    verifiers = [asked.form["code_verifier"] for asked in target.forger.asked if asked.path == "/token"][-1:]
    tokens = [asked.headers["authorization"].split()[1] for asked in target.github.asked if asked.path == "/user"][-1:]
    secrets = [
        *returned.values(),
        *(good["access_token"], good["refresh_token"]),
        *(begun["state"], begun["nonce"], target.forger.id_token),
        *(github_server.CLIENT_SECRET, forged.CLIENT_SECRET),
        *verifiers,
        *tokens,
    ]
    logged = str([record.__dict__ for record in caplog.records])
    assert caplog.records
    assert [] == [secret for secret in secrets if secret in logged]
