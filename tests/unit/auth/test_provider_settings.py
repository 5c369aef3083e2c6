"""Settings of the providers that people sign in with."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.auth.provider_settings import GithubSettings, GoogleSettings, OpenIdSettings
from services.auth.settings import AuthSettings

SECRET = "a secret that nobody may see"
CLIENT = {"client_id": "us", "client_secret": SECRET, "redirect_uri": "https://app.example.org/callback"}


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMESH_MASTER_KEY", base64.b64encode(bytes(32)).decode())


def given(monkeypatch: pytest.MonkeyPatch, providers: object) -> AuthSettings:
    """Settings from the environment."""
    monkeypatch.setenv("PAGEMESH_SIGN_IN_PROVIDERS", json.dumps(providers))
    return AuthSettings()


def test_there_are_none_by_default() -> None:
    """Nobody is trusted unasked."""
    assert {} == AuthSettings().sign_in_providers


def test_google_and_github_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is all that they need; any other name is an OpenID Connect issuer."""
    providers = given(
        monkeypatch,
        {"google": CLIENT, "github": CLIENT, "corp": {**CLIENT, "issuer": "https://id.example.org/realms/corp"}},
    ).sign_in_providers
    google, github, corp = (providers[name] for name in ("google", "github", "corp"))
    assert isinstance(google, GoogleSettings)
    assert "https://accounts.google.com" == google.issuer
    assert isinstance(github, GithubSettings)
    assert ("https://github.com", "https://api.github.com") == (github.url, github.api_url)
    assert isinstance(corp, OpenIdSettings)
    assert SECRET == corp.client_secret.get_secret_value()


def test_a_kind_goes_before_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second GitHub can have a name of its own."""
    mine = {**CLIENT, "kind": "github", "url": "https://git.example.org", "api_url": "https://git.example.org/api/v3"}
    assert isinstance(given(monkeypatch, {"our-git": mine}).sign_in_providers["our-git"], GithubSettings)


def test_a_file_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For installations that mount their secrets."""
    path = tmp_path / "providers.json"
    path.write_text(json.dumps({"google": CLIENT}))
    monkeypatch.setenv("PAGEMESH_SIGN_IN_PROVIDERS_FILE", str(path))
    assert ["google"] == list(given(monkeypatch, {"github": CLIENT}).sign_in_providers)


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"google": "x"}'])
def test_an_unusable_file_stops_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    """Starting without the providers that were meant would lock people out silently."""
    path = tmp_path / "providers.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("PAGEMESH_SIGN_IN_PROVIDERS_FILE", str(path))
    with pytest.raises(ValidationError):
        AuthSettings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://id.example.org"},
        {"issuer": "https://id.example.org?x=1"},
        {"issuer": "https://id.example.org#x"},
        {"issuer": "https://user:password@id.example.org"},
        {"issuer": "id.example.org"},
        {"issuer": "file:///etc/passwd"},
        {"issuer": "http://127.0.0.1.example.org"},
        {"redirect_uri": "/callback"},
        {"redirect_uri": "https://app.example.org/#callback"},
        {"client_id": ""},
        {"client_secret": ""},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"email_domains": ["a@b"]},
        {"kind": "saml"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_unsafe_and_unknown_settings_are_refused(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]) -> None:
    """And the refusal shows no secret."""
    with pytest.raises(ValidationError) as caught:
        given(monkeypatch, {"corp": {**CLIENT, "issuer": "https://id.example.org", **wrong}})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Corp", "a/b", "x" * 33, "1st"])
def test_names_fit_into_a_path(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """They are part of URLs."""
    with pytest.raises(ValidationError) as caught:
        given(monkeypatch, {name: {**CLIENT, "kind": "github"}})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8080", "http://localhost:9000/o", "http://[::1]:1", "https://x.test"]
)
def test_this_machine_needs_no_tls(host: str) -> None:
    """For tests and servers beside us."""
    settings = OpenIdSettings(
        issuer=host, client_id="us", client_secret=SecretStr(SECRET), redirect_uri="org.example.app:/callback"
    )
    assert host == settings.issuer


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the settings are printed."""
    settings = given(monkeypatch, {"google": CLIENT})
    assert SECRET not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
