"""Settings of the auth service."""

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.auth.settings import AuthSettings

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()
OTHER = bytes(reversed(KEY))
OTHER_TEXT = base64.b64encode(OTHER).decode()


def test_reads_the_master_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PAGEMESH_MASTER_KEY is 32 bytes as base64."""
    monkeypatch.setenv("PAGEMESH_MASTER_KEY", TEXT)
    assert (KEY,) == AuthSettings().master_keys()


def test_reads_the_master_key_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PAGEMESH_MASTER_KEY_FILE names a file with the same, a line end after it or not; it is looked at every time."""
    path = tmp_path / "key"
    path.write_text(TEXT + "\n")
    monkeypatch.setenv("PAGEMESH_MASTER_KEY_FILE", str(path))
    settings = AuthSettings()
    assert (KEY,) == settings.master_keys()
    path.write_text(f"{OTHER_TEXT}\n{TEXT}\n")
    assert (OTHER, KEY) == settings.master_keys()


@pytest.mark.parametrize("between", ["\n", " ", ",", ", ", "\r\n"])
def test_reads_several_master_keys(between: str) -> None:
    """The first is the one to wrap by."""
    assert (OTHER, KEY) == AuthSettings(master_key=SecretStr(f"{OTHER_TEXT}{between}{TEXT}")).master_keys()


@pytest.mark.parametrize("text", ["", "not-base64-at-all!", base64.b64encode(KEY[:31]).decode(), f"{TEXT}\nshort"])
def test_refuses_to_start_without_a_usable_master_key(text: str) -> None:
    """A missing, malformed or short key stops the service and is not shown."""
    with pytest.raises(ValidationError) as caught:
        AuthSettings(master_key=SecretStr(text))
    assert text == "" or text not in str(caught.value)


def test_access_tokens_live_half_an_hour_at_most() -> None:
    """The public contract bounds the life of an access token."""
    with pytest.raises(ValidationError):
        AuthSettings(master_key=SecretStr(TEXT), access_token_seconds=1801)
