"""Access tokens of a key made for a test, in the form that `auth` gives them."""

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from mesh.identity import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, TokenVerifier


class Signer:
    """One signing key; `asked` counts how often its public half was fetched."""

    def __init__(self, kid: str = "test") -> None:
        self.kid = kid
        self.asked = 0
        self._key = Ed25519PrivateKey.generate()

    def token(self, **claims: Any) -> str:
        """A token that lives a minute; `claims` replace or, when None, remove the usual ones."""
        now = int(time.time())
        usual: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60}
        usual |= {"sub": str(uuid.uuid4()), "org": str(uuid.uuid4()), "role": "admin", "tier": "pro", "sid": "s"}
        wanted = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(wanted, self._key, ALGORITHM, headers={"kid": self.kid, "typ": TOKEN_TYPE})

    @property
    def public(self) -> dict[str, Any]:
        """The public key (RFC 7517)."""
        exported: dict[str, Any] = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**exported, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    async def jwks(self) -> str:
        """The JWK Set with this key alone."""
        self.asked += 1
        return json.dumps({"keys": [self.public]})

    def verifier(self) -> TokenVerifier:
        """A verifier that trusts this key."""
        return TokenVerifier(self.jwks)
