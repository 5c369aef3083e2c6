"""An issuer on loopback that tells whatever a test wants it to: for what no honest provider does."""

import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key, KeySet, OctKey, RSAKey

from tests.support.loopback import Answer, Asked, LoopbackServer, json_answer

CLIENT_ID = "pagemesh-forged"
CLIENT_SECRET = "a secret of the forger's that is long enough for an HMAC"
REDIRECT_URI = "https://app.example.org/callback/forger"
CODE = "any code will do"


class Forger(LoopbackServer):
    """Metadata and keys are as they should be; ID tokens are `id_token`, UserInfo is `userinfo`."""

    def __init__(self) -> None:
        super().__init__()
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.published: list[Key] = [self.key]
        self.metadata: dict[str, Any] = {}
        self.id_token = ""
        self.userinfo: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Answer:
        """Metadata, keys, tokens, UserInfo."""
        match asked.path:
            case "/.well-known/openid-configuration":
                return json_answer({**self._metadata(), **self.metadata})
            case "/keys":
                return json_answer(KeySet(self.published).as_dict(private=False))
            case "/token":
                return json_answer({"access_token": "forged", "token_type": "Bearer", "id_token": self.id_token})
            case "/userinfo":
                return json_answer(self.userinfo)
        return json_answer({"error": "not_found"}, 404)

    def claims(self, nonce: str, /, **changed: Any) -> dict[str, Any]:
        """Good claims of somebody with a verified address, but for what is changed; None leaves one out."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "sub": "forged-1",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email": "forged@example.org",
            "email_verified": True,
        }
        return {name: value for name, value in {**good, **changed}.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], alg: str = "RS256", key: Key | None = None, **header: Any) -> str:
        """The claims as a token."""
        signer = key or self.key
        kid = {"kid": signer.kid} if signer.kid else {}
        return jwt.encode({"alg": alg, **kid, **header}, dict(claims), signer, algorithms=[alg])

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }


def secret_key() -> OctKey:
    """The client's secret as a key: what a token signed by HMAC would have to be signed with."""
    return OctKey.import_key(CLIENT_SECRET)
