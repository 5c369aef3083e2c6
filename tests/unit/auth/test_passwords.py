"""Hashing of passwords."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError
from argon2.low_level import Type

from services.auth.passwords import Passwords

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    """Shared, since making one costs a hash."""
    passwords = Passwords()
    yield passwords
    passwords.close()


async def test_verifies_its_own_hashes(passwords: Passwords) -> None:
    """A hash answers to its password and to no other."""
    made = await passwords.hash(PASSWORD)
    assert [True, False, False] == [await passwords.verify(made, each) for each in (PASSWORD, PASSWORD + "x", "")]


async def test_makes_salted_argon2id(passwords: Passwords) -> None:
    """The same password gives two hashes, both Argon2id with at least OWASP's parameters."""
    one, other = [await passwords.hash(PASSWORD) for _ in range(2)]
    parameters = extract_parameters(one)
    assert one != other
    assert (Type.ID, True) == (parameters.type, parameters.memory_cost * parameters.time_cost >= 12_288 * 3)


async def test_composed_and_decomposed_letters_are_the_same(passwords: Passwords) -> None:
    """A password opens the account from keyboards that send accents as letters of their own."""
    made = await passwords.hash("cafe\u0301-au-lait-7")
    assert await passwords.verify(made, "caf\u00e9-au-lait-7")


async def test_an_unknown_account_costs_a_verification_and_is_refused(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hash, one of the same parameters is verified all the same, and the answer is no."""
    seen: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, hash: str, password: str) -> bool:  # noqa: A002  # the library's name
        seen.append(hash)
        return verify(self, hash, password)

    made = await passwords.hash(PASSWORD)
    monkeypatch.setattr(PasswordHasher, "verify", spy)
    assert not await passwords.verify(None, PASSWORD)
    assert [extract_parameters(made)] == [extract_parameters(each) for each in seen]


async def test_a_damaged_hash_is_a_defect_and_no_wrong_password(passwords: Passwords) -> None:
    """A hash that cannot be read raises, so that it is noticed."""
    with pytest.raises(InvalidHashError):
        await passwords.verify("no hash at all", PASSWORD)


async def test_knows_hashes_of_other_settings(passwords: Passwords) -> None:
    """A hash made with weaker parameters is outdated, its own are not."""
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    assert (True, False) == (passwords.is_outdated(weaker), passwords.is_outdated(await passwords.hash(PASSWORD)))


async def test_hashing_leaves_the_event_loop_alone(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done in another thread, and the loop runs meanwhile."""
    released = threading.Event()

    def wait(self: PasswordHasher, password: str) -> str:
        assert released.wait(10)
        return f"hashed in {threading.current_thread().name}"

    monkeypatch.setattr(PasswordHasher, "hash", wait)
    hashing = asyncio.create_task(passwords.hash(PASSWORD))
    await asyncio.sleep(0)
    released.set()
    assert (await hashing).startswith("hashed in argon2")
