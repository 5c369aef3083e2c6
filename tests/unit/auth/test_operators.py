"""Operators' tokens."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr

from mesh.errors import Forbidden, Unauthenticated
from mesh.identity import AUDIENCE, OPERATOR_AUDIENCE, OPERATOR_ROLE, TokenVerifier
from services.auth.keys import KeyRing, SealedKey
from services.auth.operators import Operators, name_of
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from tests.unit.auth.masters import Held, masters

MASTER = masters(b"m")
_KEY = "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0="


class Shelf:
    """Holds what it is offered."""

    async def signing_keys(self, candidate: SealedKey, term: timedelta) -> Sequence[SealedKey]:
        """That key."""
        return [candidate]


@pytest.fixture
async def ring() -> KeyRing:
    """A ring with one key."""
    ring = KeyRing(Shelf(), Held(MASTER), timedelta(days=30))
    await ring.load()
    return ring


async def test_the_secret_makes_an_operator(ring: KeyRing) -> None:
    """Of no organization, known by the name they gave, for five minutes, to `auth` alone."""
    token = Operators(AccessTokens(ring), "secret").issue("secret", " Ada Lovelace ")
    operator = await TokenVerifier(ring.jwks, audiences=(AUDIENCE, OPERATOR_AUDIENCE)).verify(token)
    expected = (OPERATOR_ROLE, "", "", "Ada Lovelace")
    assert expected == (operator.role, operator.organization_id, operator.session_id, name_of(operator))
    with pytest.raises(Unauthenticated):
        await TokenVerifier(ring.jwks).verify(token)


@pytest.mark.parametrize(("configured", "given"), [("secret", "other"), ("secret", ""), ("", ""), ("é", "e")])
async def test_nothing_else_does(ring: KeyRing, configured: str, given: str) -> None:
    """A wrong secret is Forbidden, and so is any while none is configured."""
    with pytest.raises(Forbidden):
        Operators(AccessTokens(ring), configured).issue(given, "Ada")


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [("own", "shared", "own"), ("", "shared", "shared"), ("own", "", "own"), ("", "", "")],
)
def test_operators_have_a_secret_of_their_own_or_that_of_services(own: str, shared: str, expected: str) -> None:
    """With their own, that of services opens nothing for them."""
    settings = AuthSettings(master_key=SecretStr(_KEY), admin_secret=SecretStr(own), service_secret=SecretStr(shared))
    assert expected == settings.operators_secret()
