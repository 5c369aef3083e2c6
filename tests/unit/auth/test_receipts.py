"""Receipts: checked by any library with the published keys, and taken for nothing else."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from mesh.errors import InvalidArgument, Unauthenticated
from mesh.identity import AUDIENCE, OPERATOR_AUDIENCE, Identity, TokenVerifier
from services.auth.keys import KeyRing
from services.auth.receipts import Erased, Receipts
from services.auth.tokens import AccessTokens, Subject
from tests.unit.auth.masters import Held
from tests.unit.auth.test_tokens import MASTER, Shelf

SERVICE = Identity("service:results", "organization-1", "service", "pro", "", 0.0)
ERASED = Erased(
    subject="6f1c2a34-0d7e-4d7a-9f57-0a3a1a2b3c4d",
    kind="document",
    reason="expired",
    objects=7,
    erased_at=datetime(2026, 11, 26, 12, 30, 0, 250, UTC),
    digest="ab" * 32,
)


@pytest.fixture(scope="module")
async def ring() -> KeyRing:
    """A ring with one key."""
    ring = KeyRing(Shelf(), Held(MASTER), timedelta(days=30))
    await ring.load()
    return ring


def checked(receipt: str, jwks: str) -> dict[str, Any]:
    """The claims, as whoever has the key set and PyJWT alone checks them."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(jwks)["keys"]}
    claims: dict[str, Any] = jwt.decode(
        receipt, keys[jwt.get_unverified_header(receipt)["kid"]], algorithms=["EdDSA"], issuer="pagemesh"
    )
    return claims


async def test_a_receipt_says_what_was_erased(ring: KeyRing) -> None:
    """All of it, in the name of the service's organization, and nothing more; it does not expire."""
    claims = checked(Receipts(ring).issue(SERVICE, ERASED), await ring.jwks())
    assert claims.pop("jti") != claims.pop("iat")
    assert {
        "iss": "pagemesh",
        "org": "organization-1",
        "sub": ERASED.subject,
        "kind": "document",
        "reason": "expired",
        "objects": 7,
        "erased_at": "2026-11-26T12:30:00.000250Z",
        "digest": "sha256:" + "ab" * 32,
    } == claims


async def test_what_has_no_digest_tells_none(ring: KeyRing) -> None:
    """The claim is left out, and no two receipts have one id."""
    receipts = [Receipts(ring).issue(SERVICE, replace(ERASED, digest="")) for _ in range(2)]
    one, other = [checked(receipt, await ring.jwks()) for receipt in receipts]
    assert (False, True) == ("digest" in one, one["jti"] != other["jti"])


async def test_a_receipt_that_was_changed_is_none(ring: KeyRing) -> None:
    """Neither with the body of another, nor with another signature."""
    one, other = [Receipts(ring).issue(SERVICE, ERASED).split(".") for _ in range(2)]
    for parts in ((one[0], other[1], one[2]), (one[0], one[1], one[2][::-1])):
        with pytest.raises(jwt.PyJWTError):
            checked(".".join(parts), await ring.jwks())


async def test_a_receipt_is_no_access_token(ring: KeyRing) -> None:
    """No verifier takes it, of whatever audience; with the header of one it still has no audience and no end."""
    verifier = TokenVerifier(ring.jwks, audiences=(AUDIENCE, OPERATOR_AUDIENCE))
    receipt = Receipts(ring).issue(SERVICE, ERASED)
    with pytest.raises(Unauthenticated):
        await verifier.verify(receipt)
    claims = jwt.decode(receipt, options={"verify_signature": False})
    key = ring.signing(datetime.now(UTC))
    dressed = jwt.encode(claims, key.private, "EdDSA", {"kid": key.kid, "typ": "at+jwt"})
    with pytest.raises(Unauthenticated):
        await verifier.verify(dressed)


async def test_an_access_token_is_no_receipt(ring: KeyRing) -> None:
    """Its type says so, and whoever checks receipts finds an audience that they do not belong to."""
    token = AccessTokens(ring).issue(Subject("u", "o", "admin", "pro"), timedelta(minutes=1))
    assert "receipt+jwt" != jwt.get_unverified_header(token)["typ"]
    with pytest.raises(jwt.InvalidAudienceError):
        checked(token, await ring.jwks())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("subject", value) for value in ("", "x", "6F1C2A34-0D7E-4D7A-9F57-0A3A1A2B3C4D")),
        *(("kind", value) for value in ("", "Document", "a b", "x" * 33)),
        *(("reason", value) for value in ("", "because")),
        ("objects", -1),
        *(("digest", value) for value in ("ab", "AB" * 32, "zz" * 32)),
    ],
)
async def test_what_makes_no_sense_is_not_signed(ring: KeyRing, field: str, value: Any) -> None:
    """The field is named."""
    with pytest.raises(InvalidArgument) as caught:
        Receipts(ring).issue(SERVICE, replace(ERASED, **{field: value}))
    assert {"field": field} == caught.value.details
