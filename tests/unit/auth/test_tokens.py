"""Access tokens, as `mesh.identity` takes them and refuses forgeries."""

import hashlib
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest

from mesh.errors import Forbidden, InvalidArgument, Unauthenticated
from mesh.identity import Identity, TokenVerifier
from services.auth.keys import KeyRing, SealedKey, new_key, seal
from services.auth.service_tokens import ServiceTokens
from services.auth.tokens import AccessTokens, Subject, fingerprint, new_refresh_token
from tests.support.forgeries import FORGERIES, Forger
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


def claims() -> dict[str, Any]:
    """Good claims."""
    now = int(time.time())
    return {
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
    assert {"typ": "at+jwt", "alg": "EdDSA", "kid": KEY.kid} == jwt.get_unverified_header(tokens[0])


async def test_a_hand_made_token_with_good_claims_is_taken(verifier: TokenVerifier) -> None:
    """The forgeries below fail for what is changed in them, not for how they are made."""
    forger = Forger(KEY, claims())
    good = [forger.signed(), forger.made()]
    assert ["user-1", "user-1"] == [(await verifier.verify(each)).user_id for each in good]


@pytest.mark.parametrize("name", FORGERIES)
async def test_forgeries_are_refused(name: str, verifier: TokenVerifier) -> None:
    """A token that this service did not issue, or no longer vouches for, proves nobody."""
    with pytest.raises(Unauthenticated):
        await verifier.verify(FORGERIES[name](Forger(KEY, claims())))


@pytest.mark.parametrize("token", ["", "é.ü.ß", "\0"])
async def test_what_no_header_carries_is_refused(token: str, verifier: TokenVerifier) -> None:
    """Letters outside ASCII, and nothing at all."""
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


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
