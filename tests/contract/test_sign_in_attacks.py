"""What strangers may try with states and codes at signing in by providers: the real `auth` behind a gateway."""

import asyncio
import logging
from datetime import timedelta

import httpx
import pytest

from services.auth.sign_in_states import States, s256
from tests.contract.sign_in_range import BAD_CODE, BAD_STATE, Range, refused, target
from tests.support import forger as forged
from tests.support import github_server, openid

__all__ = ["target"]  # a fixture


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
