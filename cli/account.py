"""Who `pagemesh submit` is: a given token, or an account of its own at the local stack."""

import json
import secrets
from pathlib import Path
from typing import Protocol

import httpx

from cli.layout import write_private


class Account(Protocol):
    """Gives a token for the API."""

    async def token(self, http: httpx.AsyncClient) -> str:
        """A token that should be valid; called again after the last one was refused."""


class GivenToken:
    """A token or API key that somebody else got."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, http: httpx.AsyncClient) -> str:
        """That token."""
        return self._token


class LocalAccount:
    """A user with a random password, registered once and remembered in a file of mode 0600."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self, http: httpx.AsyncClient) -> str:
        """Logs in, or registers when there is no account yet. Raises httpx.HTTPStatusError."""
        if self._file.exists():
            known = json.loads(self._file.read_text(encoding="utf-8"))
            answer = await http.post("/api/v1/auth/login", json=known)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return _access_token(answer)
        return await self._register(http)

    async def _register(self, http: httpx.AsyncClient) -> str:
        email = f"local-{secrets.token_hex(4)}@pagemesh.example"
        login = {"email": email, "password": secrets.token_urlsafe(24)}
        person = {"full_name": "Local user", "organization_name": "Local"}
        token = _access_token(await http.post("/api/v1/auth/register", json=login | person))
        write_private(self._file, json.dumps(login) + "\n")
        return token


def _access_token(answer: httpx.Response) -> str:
    answer.raise_for_status()
    return str(answer.json()["access_token"])
