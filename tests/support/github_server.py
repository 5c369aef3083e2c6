"""GitHub's dialect of OAuth 2.0 on loopback, as its documentation tells it.

Errors of the token endpoint come with status 200, its answers are forms unless JSON is asked for, and the API wants to
know who asks. Browsers say who has logged in by a cookie `login`.
"""

import secrets
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from services.auth.sign_in_states import s256
from tests.support.loopback import Answer, Asked, LoopbackServer, json_answer

CLIENT_ID = "Iv1.of-the-tests"
CLIENT_SECRET = "github's word for us"
REDIRECT_URI = "https://app.example.org/callback/github"


@dataclass
class Account:
    """Somebody on GitHub. `emails` are as the API shows them."""

    id: int
    emails: list[dict[str, Any]]
    name: str | None = None


@dataclass(frozen=True)
class _Grant:
    login: str
    challenge: str
    scopes: frozenset[str]


class GithubServer(LoopbackServer):
    """Web pages and API on one address."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, Account] = {}
        self.client_secret = CLIENT_SECRET
        self._codes: dict[str, _Grant] = {}
        self._tokens: dict[str, _Grant] = {}

    def answer(self, asked: Asked) -> Answer:
        """Pages, tokens, API."""
        match asked.method, asked.path:
            case "GET", "/login/oauth/authorize":
                return self._authorize(asked)
            case "POST", "/login/oauth/access_token":
                told = self._token(asked)
                wants_json = "application/json" in asked.headers.get("accept", "")
                return json_answer(told) if wants_json else Answer(body=urlencode(told).encode())
            case "GET", "/user" | "/user/emails":
                return self._api(asked)
        return json_answer({"message": "Not Found"}, 404)

    def _authorize(self, asked: Asked) -> Answer:
        form = asked.form
        assert (CLIENT_ID, REDIRECT_URI) == (form["client_id"], form["redirect_uri"])
        assert "code" == form["response_type"]
        assert "S256" == form["code_challenge_method"]
        login = SimpleCookie(asked.headers["cookie"])["login"].value
        code = secrets.token_hex(10)
        self._codes[code] = _Grant(login, form["code_challenge"], frozenset(form["scope"].split()))
        return Answer(302, headers={"location": f"{REDIRECT_URI}?{urlencode({'code': code, 'state': form['state']})}"})

    def _token(self, asked: Asked) -> dict[str, str]:
        form = asked.form
        if (CLIENT_ID, self.client_secret) != (form.get("client_id"), form.get("client_secret")):
            return {"error": "incorrect_client_credentials"}
        if form.get("redirect_uri") != REDIRECT_URI:
            return {"error": "redirect_uri_mismatch"}
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or s256(form.get("code_verifier", "")) != grant.challenge:
            return {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
        token = f"gho_{secrets.token_hex(18)}"
        self._tokens[token] = grant
        return {"access_token": token, "token_type": "bearer", "scope": ",".join(sorted(grant.scopes))}

    def _api(self, asked: Asked) -> Answer:
        if not asked.headers.get("user-agent"):
            return json_answer({"message": "Request forbidden by administrative rules."}, 403)
        grant = self._tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if grant is None:
            return json_answer({"message": "Bad credentials"}, 401)
        account = self.accounts[grant.login]
        if asked.path == "/user":
            return json_answer({"id": account.id, "login": grant.login, "name": account.name, "email": None})
        if "user:email" not in grant.scopes:
            return json_answer({"message": "Not Found"}, 404)
        return json_answer(account.emails)
