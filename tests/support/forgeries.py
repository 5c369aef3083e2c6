"""Access tokens that prove nobody: forged without the signing key, or signed with it and wrong in what they say."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from mesh.identity import ALGORITHM, TOKEN_TYPE
from services.auth.keys import SigningKey, new_key

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forger:
    """Makes tokens: with the key, as `auth` does, or with what anybody has."""

    key: SigningKey
    good: Mapping[str, Any]
    """Claims of a good token."""
    url: str = "http://127.0.0.1:9/keys.json"
    """Where a verifier that believes a token's header would look for keys."""

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims with some changed; those changed to None are left out."""
        return {name: value for name, value in {**self.good, **changes}.items() if value is not None}

    def signed(self, key: SigningKey | None = None, headers: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token that the key signed, with claims and headers changed."""
        named = {"kid": self.key.kid, "typ": TOKEN_TYPE, **(headers or {})}
        return jwt.encode(self.claims(**changes), (key or self.key).private, ALGORITHM, headers=named)

    def raw(self, header: bytes, payload: bytes, sign: Sign | None = None) -> str:
        """A token of any bytes, signed."""
        text = f"{_base64url(header)}.{_base64url(payload)}"
        return f"{text}.{_base64url((sign or self.key.private.sign)(text.encode()))}"

    def header(self, **members: Any) -> bytes:
        """A header of ours with members changed; those changed to None are left out."""
        whole = {"alg": ALGORITHM, "kid": self.key.kid, "typ": TOKEN_TYPE, **members}
        return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()

    def body(self, **changes: Any) -> bytes:
        """Claims as bytes."""
        return json.dumps(self.claims(**changes)).encode()

    def made(self, sign: Sign | None = None, **members: Any) -> str:
        """Good claims under a changed header."""
        return self.raw(self.header(**members), self.body(), sign)

    def tampered(self, **changes: Any) -> str:
        """A good token whose claims were changed after it was signed."""
        head, _, signature = self.signed().split(".")
        return ".".join((head, _base64url(self.body(**changes)), signature))

    def stranger(self, **headers: Any) -> str:
        """A token that somebody else's key signed."""
        return self.signed(_stranger(), headers)

    @property
    def public(self) -> bytes:
        """The public key, which anybody can fetch."""
        return self.key.private.public_key().public_bytes_raw()


def _hs256(secret: bytes) -> Sign:
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@lru_cache
def _stranger() -> SigningKey:
    return new_key()


@lru_cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@lru_cache
def _ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache
def _ed448() -> ed448.Ed448PrivateKey:
    return ed448.Ed448PrivateKey.generate()


def _of_algorithm(forger: Forger, algorithm: str, key: Any) -> str:
    headers = {"kid": forger.key.kid, "typ": TOKEN_TYPE}
    return jwt.encode(dict(forger.good), key, algorithm, headers=headers)


def _one_bit(token: str) -> str:
    text, _, signature = token.rpartition(".")
    return f"{text}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}"


def _soon(seconds: int) -> int:
    return int(time.time()) + seconds


_KEY_IDS = {
    "a path": "../../../../../../dev/null",
    "a file": "/etc/passwd",
    "SQL": "' UNION SELECT 'secret' --",
    "a shell command": "$(sleep 10)",
    "NUL": "\0",
    "another's id": "0" * 43,
}


def _by_key_id(kid: str) -> Callable[[Forger], str]:
    return lambda forger: forger.made(_hs256(b""), alg="HS256", kid=kid)


FORGERIES: dict[str, Callable[[Forger], str]] = {
    "no algorithm": lambda f: f.made(lambda _: b"", alg="none"),
    "no algorithm, other case": lambda f: f.made(lambda _: b"", alg="nOnE"),
    "no algorithm, good signature": lambda f: f.made(alg="none"),
    "no algorithm named": lambda f: f.made(alg=None),
    "HMAC with the public key": lambda f: f.made(_hs256(f.public), alg="HS256"),
    "HMAC with the public JWK": lambda f: f.made(_hs256(json.dumps(f.key.public_jwk()).encode()), alg="HS256"),
    "HMAC with the public key in base64": lambda f: f.made(_hs256(f.key.public_jwk()["x"].encode()), alg="HS256"),
    "HMAC with nothing": lambda f: f.made(_hs256(b""), alg="HS256"),
    "HMAC signature called EdDSA": lambda f: f.made(_hs256(f.public)),
    "another algorithm's name on a good signature": lambda f: f.made(alg="RS256"),
    "RSA": lambda f: _of_algorithm(f, "RS256", _rsa()),
    "RSA, padded otherwise": lambda f: _of_algorithm(f, "PS256", _rsa()),
    "another curve": lambda f: _of_algorithm(f, "ES256", _ec()),
    "another curve of the same algorithm": lambda f: _of_algorithm(f, "EdDSA", _ed448()),
    "tampered signature": lambda f: _one_bit(f.signed()),
    "empty signature": lambda f: f.signed().rpartition(".")[0] + ".",
    "tampered role": lambda f: f.tampered(role="service"),
    "tampered organization": lambda f: f.tampered(org="00000000-0000-4000-8000-000000000000"),
    "tampered subject": lambda f: f.tampered(sub="00000000-0000-4000-8000-000000000000"),
    "tampered tier": lambda f: f.tampered(tier="enterprise", iat=_soon(-1)),
    "tampered scopes": lambda f: f.tampered(scope="documents.read documents.write"),
    "tampered session": lambda f: f.tampered(sid="00000000-0000-4000-8000-000000000000"),
    "tampered expiry": lambda f: f.tampered(exp=_soon(86_400)),
    "a stranger's key under its own id": lambda f: f.stranger(kid=_stranger().kid),
    "a stranger's key under ours": lambda f: f.stranger(),
    "a stranger's key brought along": lambda f: f.stranger(jwk=_stranger().public_jwk()),
    "a stranger's key by URL": lambda f: f.stranger(kid=_stranger().kid, jku=f.url),
    "a stranger's key by URL under ours": lambda f: f.stranger(jku=f.url),
    "a stranger's certificate by URL": lambda f: f.stranger(x5u=f.url),
    "a stranger's certificate brought along": lambda f: f.stranger(x5c=["MIIB"]),
    "a URL for a key id": lambda f: f.stranger(kid=f.url),
    "unknown key id": lambda f: f.made(kid="unknown"),
    "no key id": lambda f: f.made(kid=None),
    "a key id that is a number": lambda f: f.made(kid=1),
    "a key id that is a list": lambda f: f.made(kid=[f.key.kid]),
    **{f"{what} for a key id": _by_key_id(kid) for what, kid in _KEY_IDS.items()},
    "no type": lambda f: f.made(typ=None),
    "the type of other tokens": lambda f: f.made(typ="JWT"),
    "a type that is a number": lambda f: f.made(typ=1),
    "an unknown critical extension": lambda f: f.made(crit=["x"], x=1),
    "claims apart from the token": lambda f: f.made(crit=["b64"], b64=False),
    "expired": lambda f: f.signed(exp=_soon(-60)),
    "not yet valid": lambda f: f.signed(nbf=_soon(600)),
    "issued in the future": lambda f: f.signed(iat=_soon(600)),
    "wrong issuer": lambda f: f.signed(iss="elsewhere"),
    "no issuer": lambda f: f.signed(iss=None),
    "wrong audience": lambda f: f.signed(aud="elsewhere"),
    "no audience": lambda f: f.signed(aud=None),
    "no expiry": lambda f: f.signed(exp=None),
    "expiry that is no number": lambda f: f.raw(f.header(), f.body(exp="tomorrow")),
    "no subject": lambda f: f.signed(sub=None),
    "subject that is no text": lambda f: f.raw(f.header(), f.body(sub=7)),
    "no organization": lambda f: f.signed(org=None),
    "claims that are no object": lambda f: f.raw(f.header(), b'["sub"]'),
    "claims that are no JSON": lambda f: f.raw(f.header(), b"\xff"),
    "header that is no object": lambda f: f.raw(b"[]", f.body()),
    "two parts": lambda f: f.signed().rpartition(".")[0],
    "four parts": lambda f: f.signed() + ".e30",
    "five parts": lambda f: f.signed() + ".e30.e30",
    "no token at all": lambda f: "pmk_something",
    "dots alone": lambda f: "..",
    "a very long one": lambda f: "x" * 6_000,
}
"""Every forgery by name."""
