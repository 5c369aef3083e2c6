"""Providers to sign in with, and browsers that do it."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import SecretStr

from cli.ports import free_ports
from cli.processes import ChildSpec
from services.auth.provider_settings import GithubSettings, OpenIdSettings
from tests.support import forger, github_server, openid
from tests.support.servers import ServerProcess

Returned = dict[str, str]
"""What a provider sends back: `code` and `state`."""


class OpenIdServer(ServerProcess):
    """The real provider, as a process."""

    def __init__(self, directory: Path) -> None:
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "tests.support.openid", str(port), str(directory)]
        root = Path(__file__).parents[2]
        spec = ChildSpec("openid", argv, {"PATH": "/usr/bin:/bin"}, directory=root)
        super().__init__(spec, directory / "log", self._answers_http)

    def settings(self, client_id: str = openid.CLIENT_ID) -> OpenIdSettings:
        """What the auth service has to know of it."""
        return OpenIdSettings(
            issuer=f"{self.url}/o",
            client_id=client_id,
            client_secret=SecretStr(openid.CLIENT_SECRET),
            redirect_uri=openid.REDIRECT_URI,
        )

    async def tell(self, username: str, **claims: object) -> str:
        """Takes somebody in, or what has changed about them; answers their subject."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            told = await http.put(f"/people/{username}", json=claims)
        assert 200 == told.status_code, told.text
        return told.text

    async def sign_in(self, url: str, name: str) -> Returned:
        """Goes where the browser is sent, logs in there, and comes back."""
        async with httpx.AsyncClient(base_url=self.url) as browser:
            asked = await browser.get(url)
            page = await browser.get(asked.headers["location"])
            form = {
                "username": name,
                "password": openid.PASSWORD,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }
            logged_in = await browser.post(page.url, data=form)
            return came_back(await browser.get(logged_in.headers["location"]), openid.REDIRECT_URI)

    def _answers_http(self) -> bool:
        try:
            return httpx.get(f"{self.url}/o/.well-known/openid-configuration").is_success
        except httpx.TransportError:
            return False


@contextmanager
def openid_server() -> Iterator[OpenIdServer]:
    """The provider, running within the block."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        server = OpenIdServer(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def github_settings(server: github_server.GithubServer) -> GithubSettings:
    """What the auth service has to know of it."""
    return GithubSettings(
        url=server.url,
        api_url=server.url,
        client_id=github_server.CLIENT_ID,
        client_secret=SecretStr(github_server.CLIENT_SECRET),
        redirect_uri=github_server.REDIRECT_URI,
    )


async def github_sign_in(url: str, login: str) -> Returned:
    """Goes to GitHub as somebody who has logged in there, and comes back."""
    async with httpx.AsyncClient(cookies={"login": login}) as browser:
        return came_back(await browser.get(url), github_server.REDIRECT_URI)


def forger_settings(server: forger.Forger) -> OpenIdSettings:
    """What the auth service has to know of it."""
    return OpenIdSettings(
        issuer=server.url,
        client_id=forger.CLIENT_ID,
        client_secret=SecretStr(forger.CLIENT_SECRET),
        redirect_uri=forger.REDIRECT_URI,
    )


def parameters_of(url: str) -> dict[str, str]:
    """The query of a URL."""
    return dict(parse_qsl(urlsplit(url).query))


def came_back(answer: httpx.Response, redirect_uri: str) -> Returned:
    """What the redirect to us holds."""
    location = answer.headers["location"]
    assert location.startswith(f"{redirect_uri}?"), location
    return parameters_of(location)
