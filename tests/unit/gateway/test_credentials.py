"""Credentials that were good once are known again by their bytes, whichever header carried them."""

import time

import pytest
from starlette.datastructures import Headers

from mesh.errors import Unauthenticated
from mesh.identity import Identity
from services.gateway.credentials import Credentials

KEY = "pmk_abcdefgh"


class Verifier:
    """Takes one token; what it denies is dead."""

    def __init__(self) -> None:
        self.denied = False
        self.asked = 0

    async def verify(self, token: str) -> Identity:
        self.asked += 1
        if token != "token":
            raise Unauthenticated("No.")
        return Identity("u", "o", "user", "pro", "s", time.time() + 60)

    def denies(self, caller: Identity) -> bool:
        return self.denied


class Exchange:
    """One token for the one key."""

    async def token(self, key: str) -> str:
        return "token" if key == KEY else "nothing"

    def forget(self, key: str) -> None:
        """Nothing is kept."""


@pytest.fixture
def verifier() -> Verifier:
    """It says who is good."""
    return Verifier()


@pytest.fixture
def credentials(verifier: Verifier) -> Credentials:
    """Both ways to be known."""
    return Credentials(verifier, Exchange())  # type: ignore[arg-type]  # all that is asked of them


GOOD = [
    {"authorization": "Bearer token"},
    {"authorization": f"Bearer {KEY}"},
    {"x-api-key": KEY},
    {"authorization": "Bearer token", "x-api-key": "pmk_wrong"},
]


@pytest.mark.parametrize("sent", GOOD)
async def test_a_good_credential_is_known_again(
    credentials: Credentials, verifier: Verifier, sent: dict[str, str]
) -> None:
    """Without asking; and no more as soon as it is denied."""
    raw = {name.encode(): value.encode() for name, value in sent.items()}
    assert credentials.known(raw) is None
    caller = await credentials.identify(Headers(sent))
    asked = verifier.asked
    assert (caller, asked) == (credentials.known(raw), verifier.asked)
    verifier.denied = True
    assert credentials.known(raw) is None


async def test_one_header_does_not_stand_for_the_other(credentials: Credentials) -> None:
    """A key is no bearer token, and counts only where there is no `Authorization`."""
    await credentials.identify(Headers({"x-api-key": KEY}))
    for raw in ({b"authorization": KEY.encode()}, {b"authorization": b"", b"x-api-key": KEY.encode()}, {}):
        assert credentials.known(raw) is None


async def test_a_bad_credential_is_not_known(credentials: Credentials) -> None:
    """However often it comes."""
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await credentials.identify(Headers({"x-api-key": "pmk_wrong"}))
        assert credentials.known({b"x-api-key": b"pmk_wrong"}) is None
