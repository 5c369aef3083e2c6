"""Logging in: sessions, throttled guesses, and answers that tell nothing of who is known."""

import asyncio
from uuid import uuid4

import pytest
from argon2 import PasswordHasher, extract_parameters
from psycopg import sql
from psycopg.abc import QueryNoTemplate

from mesh.errors import (
    Forbidden,
    TooMuch,
    Unauthenticated,
)
from tests.contract.authing import PASSWORD, Auth, _without_a_credential, auth, refusal, tries

__all__ = ["_without_a_credential", "auth"]  # fixtures


async def test_logging_in_opens_a_session(auth: Auth) -> None:
    """Login works in any case of the address, records its time, and the token works."""
    registered = await auth.register("login@example.org")
    response = await auth.login("LOGIN@example.org")
    assert (registered.user.id, True) == (response.user.id, response.user.HasField("last_login"))
    assert response.user == await auth.me(response.tokens.access_token)


async def test_logging_in_renews_a_hash_of_older_settings(auth: Auth) -> None:
    """A hash with weaker parameters is replaced by one of today's at the next login, and the password stays."""
    user = (await auth.register("renewed@example.org")).user
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await auth.sql("UPDATE users SET password_hash = %s WHERE id = %s", weaker, user.id)
    await auth.login("renewed@example.org")
    [[renewed]] = await auth.sql("SELECT password_hash FROM users WHERE id = %s", user.id)
    assert extract_parameters(renewed).memory_cost > extract_parameters(weaker).memory_cost
    assert user.id == (await auth.login("renewed@example.org")).user.id


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_guessing_is_throttled_whether_or_not_the_account_exists(auth: Auth, known: bool) -> None:
    """After ten wrong passwords nothing more is tried from that address, the right one included; elsewhere it works."""
    email = f"guessed-{known}@example.org"
    if known:
        await auth.register(email)
    guesses = [await tries(auth, email.upper() if number % 2 else email, f"guess {number}") for number in range(12)]
    assert ["INVALID_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2 == guesses
    assert "TOO_MANY_ATTEMPTS" == await tries(auth, email, PASSWORD)
    assert ("" if known else "INVALID_CREDENTIALS") == await tries(auth, email, PASSWORD, "192.0.2.2")


async def test_a_refused_guess_says_when_to_come_back(auth: Auth) -> None:
    """Within the window, in seconds; once it has ended, counting begins anew."""
    email = "window@example.org"
    await auth.register(email)
    for _ in range(10):
        await tries(auth, email, "wrong", "")
    with pytest.raises(TooMuch) as caught:
        await auth.login(email)
    assert 1 <= int(caught.value.details["retry_after"]) <= 900
    await auth.sql("UPDATE login_failures SET expires_at = now()")
    assert email == (await auth.login(email)).user.email


async def test_the_right_password_forgives_wrong_ones(auth: Auth) -> None:
    """Who mistypes now and then is never refused."""
    email = "forgiven@example.org"
    await auth.register(email)
    for _ in range(3):
        assert ["INVALID_CREDENTIALS"] * 6 == [await tries(auth, email, "wrong") for _ in range(6)]
        assert "" == await tries(auth, email, PASSWORD)


async def test_guessing_from_many_addresses_is_throttled_too(auth: Auth) -> None:
    """After a hundred wrong passwords from anywhere the account is refused from everywhere."""
    email = "everywhere@example.org"
    await auth.register(email)
    await tries(auth, email, "wrong")
    await auth.sql("UPDATE login_failures SET failures = 100 WHERE failures = 1")
    assert "TOO_MANY_ATTEMPTS" == await tries(auth, email, PASSWORD, "192.0.2.99")
    await auth.sql("DELETE FROM login_failures")


async def test_guesses_sent_at_once_are_throttled_too(auth: Auth) -> None:
    """The right password behind many wrong ones is refused, though all were let in before any had failed."""
    email = "at-once@example.org"
    await auth.register(email)
    guesses = [*(f"guess {number}" for number in range(30)), PASSWORD]
    assert "" not in await asyncio.gather(*(tries(auth, email, guess) for guess in guesses))


async def test_nothing_that_opens_an_account_is_stored(auth: Auth) -> None:
    """Neither the password nor a token is in any row."""
    registered = await auth.register("stored@example.org", "a password of its own kind")
    given = ("a password of its own kind", registered.tokens.refresh_token, registered.tokens.access_token)
    tables = ("organizations", "users", "sessions", "refresh_tokens", "signing_keys")
    rows = [await auth.sql(sql.SQL("SELECT * FROM {}").format(sql.Identifier(each))) for each in tables]
    assert [] == [secret for secret in given if secret in repr(rows)]


async def test_wrong_email_and_wrong_password_are_indistinguishable(auth: Auth) -> None:
    """Unknown, malformed and empty addresses get the very answer of a wrong password."""
    await auth.register("known@example.org")
    answers = set()
    for email in ("known@example.org", "unknown@example.org", "no address", "nul\x00@example.org", ""):
        with pytest.raises(Unauthenticated) as caught:
            await auth.login(email, "not the password")
        answers.add((caught.value.reason, caught.value.message, *caught.value.details))
    assert {("INVALID_CREDENTIALS", "The email or the password is wrong.")} == answers


@pytest.mark.parametrize(
    "disable",
    [
        "UPDATE users SET is_active = false WHERE id = %s",
        "UPDATE organizations SET is_active = false WHERE id = (SELECT organization_id FROM users WHERE id = %s)",
    ],
    ids=["account", "organization"],
)
async def test_who_is_disabled_stays_outside(auth: Auth, disable: QueryNoTemplate) -> None:
    """A disabled account, or one of a disabled organization, cannot log in, refresh or ask who it is."""
    email = f"disabled-{uuid4()}@example.org"
    registered = await auth.register(email)
    await auth.sql(disable, registered.user.id)
    with pytest.raises(Unauthenticated, match="wrong"):
        await auth.login(email, "not the password")
    with pytest.raises(Forbidden) as caught:
        await auth.login(email)
    assert "ACCOUNT_DISABLED" == caught.value.reason
    assert "INVALID_REFRESH_TOKEN" == await refusal(auth, registered.tokens.refresh_token)
    with pytest.raises(Unauthenticated):
        await auth.me(registered.tokens.access_token)
