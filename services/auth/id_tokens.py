"""ID tokens: who somebody is, signed by the issuer. Source: OpenID Connect Core 1.0 sections 2 and 3.1.3.7."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

_LEEWAY_SECONDS = 60
_LONGEST_SUBJECT = 255

Claims = Mapping[str, Any]
UNKNOWN_KEY = (InvalidKeyIdError, BadSignatureError)
"""What a token raises that may be signed with a key newer than those at hand."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `issuers` are the names of one issuer."""

    issuers: Sequence[str]
    client_id: str
    nonce: str
    access_token: str
    algorithms: Sequence[str]


def verified_claims(id_token: str, keys: KeySet, expected: Expected) -> Claims:
    """The claims of a token that is good now. Raises JoseError for any other.

    Checked: the signature, by a listed algorithm; `iss`, `aud`, `azp`, `exp`, `nbf`, `iat` and `nonce`; `at_hash` where
    it is there; `sub`.
    """
    registry = JWSRegistry(algorithms=list(expected.algorithms), strict_check_header=False)
    token = jwt.decode(id_token, keys, registry=registry, algorithms=list(expected.algorithms))
    options = {
        "iss": {"essential": True, "values": list(expected.issuers)},
        "aud": {"essential": True, "value": expected.client_id},
    }
    params = {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token}
    CodeIDToken(token.claims, token.header, options, params).validate(leeway=_LEEWAY_SECONDS)
    subject = token.claims["sub"]
    if not 1 <= len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise JoseError("a subject that is none")
    return token.claims
