"""GitHub: OAuth 2.0 without ID tokens; who somebody is stands in its REST API.

Source: GitHub Docs, "Authorizing OAuth apps", and the REST API's "users" and "emails".
"""

from typing import Any

from services.auth.outgoing import Outgoing, fetch_json, wrong_code
from services.auth.provider_settings import GithubSettings
from services.auth.providers import vouched_email
from services.auth.records import ExternalIdentity
from services.auth.sign_in_states import SignInState

_SCOPE = "read:user user:email"


class GithubProvider:
    """GitHub, or a server of GitHub Enterprise."""

    def __init__(self, name: str, settings: GithubSettings) -> None:
        self._settings = settings
        self._outgoing = Outgoing(name)
        self._url = settings.url.rstrip("/")
        self._api = settings.api_url.rstrip("/")
        self._registration = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uri": settings.redirect_uri,
            "scope": _SCOPE,
            "code_challenge_method": "S256",
        }

    async def authorization_url(self, state: SignInState, sealed: str) -> str:
        """GitHub's page to sign in."""
        async with self._outgoing.client(**self._registration) as client:
            endpoint = f"{self._url}/login/oauth/authorize"
            url, _ = client.create_authorization_url(endpoint, state=sealed, code_verifier=state.verifier)
        return str(url)

    async def identify(self, code: str, state: SignInState) -> ExternalIdentity:
        """The account by its number, with its primary address if that is verified."""
        async with self._outgoing.client(**self._registration) as client:
            endpoint = f"{self._url}/login/oauth/access_token"
            token = await client.fetch_token(endpoint, code=code, code_verifier=state.verifier)
            access_token = token.get("access_token")
            if not isinstance(access_token, str):
                raise wrong_code()
            user = await fetch_json(client, f"{self._api}/user", access_token)
            emails = await fetch_json(client, f"{self._api}/user/emails", access_token)
            if not isinstance(user, dict) or not isinstance(user.get("id"), int):
                raise ValueError("a user without an id")
        name = user.get("name") or user.get("login")
        return ExternalIdentity(
            self._url, str(user["id"]), self._primary(emails), name if isinstance(name, str) else ""
        )

    def _primary(self, emails: Any) -> str:
        for each in emails if isinstance(emails, list) else ():
            if isinstance(each, dict) and each.get("primary") is True:
                return vouched_email(each.get("email"), each.get("verified"), self._settings.email_domains)
        return ""
