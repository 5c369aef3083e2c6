"""A gateway and the real `auth`, with providers that are honest and one that forges, to be shot at by tests."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.contract.authing import settings_for
from tests.support import forger as forged
from tests.support import openid
from tests.support.forger import Forger
from tests.support.github_server import Account, GithubServer
from tests.support.identity_mesh import IdentityMesh, identity_mesh
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
