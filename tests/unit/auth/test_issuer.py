"""What an OpenID Connect issuer publishes, and how its client proves itself."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet

from mesh.errors import InvalidArgument, Unavailable
from services.auth.id_tokens import Expected, verified_claims
from services.auth.openid import OpenIdProvider
from services.auth.sign_in_states import States
from tests.support import forger as forged
from tests.support.forger import Forger
from tests.support.sign_in import forger_settings

STATE, SEALED = States([bytes(32)]).begin("forged", "")


@pytest.fixture(scope="module")
def server() -> Iterator[Forger]:
    """An issuer that tells what a test wants."""
    with Forger() as running:
        yield running


@pytest.fixture
def forger(server: Forger) -> Forger:
    """The issuer, with nothing of earlier tests."""
    server.metadata, server.asked = {}, []
    return server


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://accounts.google.com"},
        {"issuer": None},
        {"authorization_endpoint": "http://elsewhere.example.org/authorize"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": "ftp://127.0.0.1/"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        {"token_endpoint_auth_methods_supported": [["client_secret_post"]]},
    ],
    ids=str,
)
async def test_metadata_of_somebody_else_or_unsafe_is_refused(forger: Forger, wrong: dict[str, Any]) -> None:
    """Nobody is sent anywhere."""
    forger.metadata = wrong
    with pytest.raises(Unavailable) as caught:
        await OpenIdProvider("forged", forger_settings(forger)).authorization_url(STATE, SEALED)
    assert ("forged", "5") == (caught.value.details["dependency"], caught.value.details["retry_after"])


async def test_metadata_is_remembered(forger: Forger) -> None:
    """It is asked for once."""
    provider = OpenIdProvider("forged", forger_settings(forger))
    for _ in range(3):
        await provider.authorization_url(STATE, SEALED)
    assert ["/.well-known/openid-configuration"] == [asked.path for asked in forger.asked]


async def test_metadata_is_asked_for_again_after_a_failure(forger: Forger) -> None:
    """A start while the issuer is away heals by itself."""
    provider = OpenIdProvider("forged", forger_settings(forger))
    forger.metadata = {"issuer": "https://elsewhere.example.org"}
    with pytest.raises(Unavailable):
        await provider.authorization_url(STATE, SEALED)
    forger.metadata = {}
    assert (await provider.authorization_url(STATE, SEALED)).startswith(f"{forger.url}/authorize?")


@pytest.mark.parametrize(
    ("methods", "by_header"),
    [
        (None, True),
        (["client_secret_basic"], True),
        (["private_key_jwt", "client_secret_basic", "client_secret_post"], False),
    ],
)
async def test_the_client_proves_itself_as_the_issuer_wants(
    forger: Forger, methods: list[str] | None, by_header: bool
) -> None:
    """By HTTP Basic where nothing else is said, by the form where that is offered; never both."""
    forger.metadata = {"token_endpoint_auth_methods_supported": methods}
    forger.id_token = ""
    with pytest.raises(InvalidArgument, match="code"):
        await OpenIdProvider("forged", forger_settings(forger)).identify("code", STATE)
    [asked] = [asked for asked in forger.asked if asked.path == "/token"]
    basic = base64.b64encode(f"{forged.CLIENT_ID}:{forged.CLIENT_SECRET}".encode()).decode()
    assert (f"Basic {basic}" if by_header else None) == asked.headers.get("authorization")
    assert (None if by_header else forged.CLIENT_SECRET) == asked.form.get("client_secret")


async def test_an_issuer_without_keys_cannot_be_believed(forger: Forger) -> None:
    """What it publishes is no key set: it is away, and the token is not taken."""
    forger.id_token = forger.sign(forger.claims(STATE.nonce))
    forger.metadata = {"jwks_uri": f"{forger.url}/userinfo"}
    with pytest.raises(Unavailable):
        await OpenIdProvider("forged", forger_settings(forger)).identify("code", STATE)


def test_an_issuer_may_have_two_names(server: Forger) -> None:
    """As Google has; no third one."""
    names = ("https://accounts.google.com", "accounts.google.com")
    expected = Expected(names, forged.CLIENT_ID, STATE.nonce, "forged", ("RS256",))
    for name in names:
        token = server.sign(server.claims(STATE.nonce, iss=name))
        assert name == verified_claims(token, KeySet([server.key]), expected)["iss"]
    with pytest.raises(InvalidClaimError):
        verified_claims(server.sign(server.claims(STATE.nonce)), KeySet([server.key]), expected)
