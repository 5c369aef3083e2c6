"""Secrets of new things."""

from uuid import UUID

from services.auth.master_keys import MasterKey
from services.auth.new_secrets import NewSecrets

SECRETS = NewSecrets(MasterKey(b"m" * 32))
ONE, OTHER = UUID(int=1), UUID(int=2)


def test_a_repeat_is_given_the_same() -> None:
    """For the same request of the same owner, in another process too."""
    again = NewSecrets(MasterKey(b"m" * 32))
    assert SECRETS.make("pmk_", ONE, OTHER) == again.make("pmk_", ONE, OTHER)


def test_whatever_differs_makes_another() -> None:
    """Another purpose, owner, request or installation; each is a prefix and 43 characters."""
    made = [
        SECRETS.make("pmk_", ONE, ONE),
        SECRETS.make("pms_", ONE, ONE),
        SECRETS.make("pmk_", OTHER, ONE),
        SECRETS.make("pmk_", ONE, OTHER),
        NewSecrets(MasterKey(b"n" * 32)).make("pmk_", ONE, ONE),
    ]
    assert ({47}, 5) == ({len(secret) for secret in made}, len({secret[4:] for secret in made}))


def test_without_a_request_it_is_random() -> None:
    """No two are the same."""
    assert 100 == len({SECRETS.make("pmk_", ONE, None) for _ in range(100)})
