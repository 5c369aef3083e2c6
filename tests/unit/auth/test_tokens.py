"""Access tokens, as `mesh.identity` takes them and refuses forgeries."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest

from mesh.errors import Forbidden, InvalidArgument, Unauthenticated
from mesh.identity import Identity, TokenVerifier
from services.auth.keys import KeyRing, SealedKey, SigningKey, new_key, seal
from services.auth.service_tokens import ServiceTokens
from services.auth.tokens import AccessTokens, Subject, fingerprint, new_refresh_token
from tests.unit.auth.masters import Held, masters
from tests.unit.auth.organizations import ORGANIZATION, Book

SUBJECT = Subject("user-1", "organization-1", "admin", "pro", "session-1", organization_generation=4)
MASTER = masters(b"m")
KEY = new_key()


class Shelf:
    """Holds one key."""

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> Sequence[SealedKey]:
        """That key."""
        return [seal(KEY, MASTER)]


@pytest.fixture(scope="module")
async def ring() -> KeyRing:
    """A ring with KEY."""
    ring = KeyRing(Shelf(), Held(MASTER), timedelta(days=30))
    await ring.load()
    return ring


@pytest.fixture
def verifier(ring: KeyRing) -> TokenVerifier:
    """What every service verifies with."""
    return TokenVerifier(ring.jwks)


def base64url(data: bytes) -> str:
    """As in a JWT."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with some changed; those changed to None are left out."""
    now = int(time.time())
    good = {
        "iss": "pagemesh",
        "aud": "pagemesh",
        "sub": "user-1",
        "org": "organization-1",
        "role": "admin",
        "tier": "pro",
        "sid": "session-1",
        "iat": now,
        "exp": now + 60,
        "jti": "1",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(payload: dict[str, Any], key: SigningKey = KEY, **headers: Any) -> str:
    """A token that the key signed, with the headers changed."""
    return jwt.encode(payload, key.private, algorithm="EdDSA", headers={"kid": key.kid, **headers})


def raw(header: bytes, payload: bytes, sign: Callable[[bytes], bytes] = KEY.private.sign) -> str:
    """A token of any bytes, signed."""
    text = f"{base64url(header)}.{base64url(payload)}"
    return f"{text}.{base64url(sign(text.encode()))}"


def header(**members: Any) -> bytes:
    """A header of any members."""
    return json.dumps({"typ": "JWT", **members}).encode()


def body(**changes: Any) -> bytes:
    """Good claims as bytes."""
    return json.dumps(claims(**changes)).encode()


async def test_an_issued_token_proves_its_subject(ring: KeyRing, verifier: TokenVerifier) -> None:
    """Every claim arrives."""
    identity = await verifier.verify(AccessTokens(ring).issue(SUBJECT, timedelta(seconds=60)))
    expected = Identity(
        *("user-1", "organization-1", "admin", "pro", "session-1"), identity.expires_at, organization_generation=4
    )
    assert expected == identity


def test_an_issued_token_has_the_registered_claims(ring: KeyRing) -> None:
    """Issuer, audience, times and an id of its own are in each token."""
    tokens = [AccessTokens(ring).issue(SUBJECT, timedelta(seconds=60)) for _ in range(2)]
    one, other = [jwt.decode(each, options={"verify_signature": False}) for each in tokens]
    assert ("pagemesh", "pagemesh", 60) == (one["iss"], one["aud"], one["exp"] - one["iat"])
    assert one["jti"] != other["jti"]
    assert {"typ": "JWT", "alg": "EdDSA", "kid": KEY.kid} == jwt.get_unverified_header(tokens[0])


async def test_a_hand_made_token_with_good_claims_is_taken(verifier: TokenVerifier) -> None:
    """The forgeries below fail for what is changed in them, not for how they are made."""
    good = [signed(claims()), raw(header(alg="EdDSA", kid=KEY.kid), body())]
    assert ["user-1", "user-1"] == [(await verifier.verify(each)).user_id for each in good]


PUBLIC = KEY.private.public_key().public_bytes_raw()


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    """Signs with HMAC."""
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def tampered_signature() -> str:
    """A token with one bit of the signature changed."""
    text, _, signature = signed(claims()).rpartition(".")
    return f"{text}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}"


def tampered_payload() -> str:
    """A token whose claims were changed after signing."""
    parts = signed(claims()).split(".")
    return ".".join((parts[0], base64url(body(role="service")), parts[2]))


STRANGER = new_key()
FORGERIES: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: raw(header(alg="none", kid=KEY.kid), body(), lambda _: b""),
    "no algorithm, other case": lambda: raw(header(alg="nOnE", kid=KEY.kid), body(), lambda _: b""),
    "HMAC with the public key": lambda: raw(header(alg="HS256", kid=KEY.kid), body(), hs256(PUBLIC)),
    "HMAC with the public JWK": lambda: raw(
        header(alg="HS256", kid=KEY.kid), body(), hs256(json.dumps(KEY.public_jwk()).encode())
    ),
    "HMAC signature called EdDSA": lambda: raw(header(alg="EdDSA", kid=KEY.kid), body(), hs256(PUBLIC)),
    "another algorithm's name on a good signature": lambda: raw(header(alg="RS256", kid=KEY.kid), body()),
    "no algorithm named": lambda: raw(header(kid=KEY.kid), body()),
    "tampered signature": tampered_signature,
    "tampered payload": tampered_payload,
    "empty signature": lambda: signed(claims()).rpartition(".")[0] + ".",
    "a stranger's key under its own id": lambda: signed(claims(), STRANGER),
    "a stranger's key under ours": lambda: signed(claims(), STRANGER, kid=KEY.kid),
    "a stranger's key brought along": lambda: signed(claims(), STRANGER, kid=KEY.kid, jwk=STRANGER.public_jwk()),
    "unknown key id": lambda: signed(claims(), kid="unknown"),
    "no key id": lambda: raw(header(alg="EdDSA"), body()),
    "a key id that is a number": lambda: raw(header(alg="EdDSA", kid=1), body()),
    "an unknown critical extension": lambda: raw(header(alg="EdDSA", kid=KEY.kid, crit=["x"], x=1), body()),
    "expired": lambda: signed(claims(exp=int(time.time()) - 60)),
    "not yet valid": lambda: signed(claims(nbf=int(time.time()) + 600)),
    "issued in the future": lambda: signed(claims(iat=int(time.time()) + 600)),
    "wrong issuer": lambda: signed(claims(iss="elsewhere")),
    "no issuer": lambda: signed(claims(iss=None)),
    "wrong audience": lambda: signed(claims(aud="elsewhere")),
    "no audience": lambda: signed(claims(aud=None)),
    "no expiry": lambda: signed(claims(exp=None)),
    "expiry that is no number": lambda: raw(header(alg="EdDSA", kid=KEY.kid), body(exp="tomorrow")),
    "no subject": lambda: signed(claims(sub=None)),
    "subject that is no text": lambda: raw(header(alg="EdDSA", kid=KEY.kid), body(sub=7)),
    "no organization": lambda: signed(claims(org=None)),
    "claims that are no object": lambda: raw(header(alg="EdDSA", kid=KEY.kid), b'["sub"]'),
    "header that is no object": lambda: raw(b"[]", body()),
    "two parts": lambda: signed(claims()).rpartition(".")[0],
    "four parts": lambda: signed(claims()) + ".e30",
    "no token at all": lambda: "pmk_something",
    "letters outside ASCII": lambda: "é.ü.ß",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_forgeries_are_refused(name: str, verifier: TokenVerifier) -> None:
    """A token that this service did not issue, or no longer vouches for, proves nobody."""
    with pytest.raises(Unauthenticated):
        await verifier.verify(FORGERIES[name]())


def test_refresh_tokens_are_opaque_and_kept_as_a_hash() -> None:
    """Tokens differ, begin with their prefix, and their fingerprint does not hold them."""
    one, other = new_refresh_token(), new_refresh_token()
    assert (True, True, 47) == (one != other, one.startswith("pmr_"), len(one))
    assert hashlib.sha256(one.encode()).digest() == fingerprint(one)


async def test_a_service_token_proves_the_service_inside_one_organization(
    ring: KeyRing, verifier: TokenVerifier
) -> None:
    """The shared secret buys a token with role `service`, the organization's tier, and no session."""
    services = ServiceTokens(Book(), AccessTokens(ring), "shared", timedelta(seconds=60))
    identity = await verifier.verify(await services.issue("analysis", "shared", str(ORGANIZATION.id)))
    expected = ("service:analysis", str(ORGANIZATION.id), "service", "pro", "")
    assert expected == (
        identity.user_id,
        identity.organization_id,
        identity.role,
        identity.tier,
        identity.session_id,
    )


@pytest.mark.parametrize(("configured", "given"), [("shared", "other"), ("shared", ""), ("", ""), ("é", "e")])
async def test_a_service_token_needs_the_shared_secret(ring: KeyRing, configured: str, given: str) -> None:
    """A wrong secret is Forbidden, and so is any while none is configured."""
    services = ServiceTokens(Book(), AccessTokens(ring), configured, timedelta(seconds=60))
    with pytest.raises(Forbidden):
        await services.issue("analysis", given, str(ORGANIZATION.id))


@pytest.mark.parametrize(
    ("service", "organization", "field"),
    [("Analysis!", str(ORGANIZATION.id), "service"), ("analysis", "not-a-uuid", "organization_id")],
)
async def test_a_service_token_needs_a_name_and_an_organization(
    ring: KeyRing, service: str, organization: str, field: str
) -> None:
    """Malformed ones are InvalidArgument and name the field."""
    services = ServiceTokens(Book(), AccessTokens(ring), "shared", timedelta(seconds=60))
    with pytest.raises(InvalidArgument) as caught:
        await services.issue(service, "shared", organization)
    assert {"field": field} == caught.value.details
