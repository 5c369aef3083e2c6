"""Settings of the auth service."""

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.auth.settings import AuthSettings

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def test_reads_the_master_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PAGEMESH_MASTER_KEY is 32 bytes as base64."""
    monkeypatch.setenv("PAGEMESH_MASTER_KEY", TEXT)
    assert KEY == AuthSettings().master_key_bytes()


def test_reads_the_master_key_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PAGEMESH_MASTER_KEY_FILE names a file with the same, a line end after it or not."""
    path = tmp_path / "key"
    path.write_text(TEXT + "\n")
    monkeypatch.setenv("PAGEMESH_MASTER_KEY_FILE", str(path))
    assert KEY == AuthSettings().master_key_bytes()


@pytest.mark.parametrize("text", ["", "not-base64-at-all!", base64.b64encode(KEY[:31]).decode()])
def test_refuses_to_start_without_a_usable_master_key(text: str) -> None:
    """A missing, malformed or short key stops the service and is not shown."""
    with pytest.raises(ValidationError) as caught:
        AuthSettings(master_key=SecretStr(text))
    assert text == "" or text not in str(caught.value)


def test_access_tokens_live_half_an_hour_at_most() -> None:
    """The public contract bounds the life of an access token."""
    with pytest.raises(ValidationError):
        AuthSettings(master_key=SecretStr(TEXT), access_token_seconds=1801)
