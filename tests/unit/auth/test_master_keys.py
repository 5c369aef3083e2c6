"""Master keys and how one takes another's place."""

import base64
from collections.abc import Sequence

import pytest

from services.auth.master_keys import Altered, KeyHolder, MasterKey, Wrapped, WrongMasterKey, parse
from tests.unit.auth.masters import master, masters

KEY = b"k" * 32
BOUND = b"whose it is"


class Book:
    """Records which master key wraps."""

    def __init__(self, key_id: str | None = None) -> None:
        self.key_id = key_id

    async def master_key_id(self) -> str | None:
        """The id."""
        return self.key_id


class Given:
    """Master keys as an operator gives them, until they are changed."""

    def __init__(self, *keys: bytes) -> None:
        self.keys = keys

    def __call__(self) -> Sequence[bytes]:
        """The keys. Raises ValueError without one."""
        if not self.keys:
            raise ValueError("none")
        return [key * 32 for key in self.keys]


def test_what_was_wrapped_opens_under_the_same_key_and_the_same_bond() -> None:
    """The key comes back; its bytes are not among those stored, and no two wrappings are alike."""
    wrapped, again = (master(b"m").wrap(KEY, BOUND) for _ in range(2))
    assert KEY == master(b"m").unwrap(wrapped, BOUND)
    assert (False, False) == (KEY in wrapped.data, wrapped.data == again.data)


@pytest.mark.parametrize("place", [0, 11, 12, 40, 59])
def test_a_changed_bit_is_noticed(place: int) -> None:
    """In the nonce, the ciphertext and the tag."""
    wrapped = master(b"m").wrap(KEY, BOUND)
    data = bytearray(wrapped.data)
    assert 60 == len(data)
    data[place] ^= 1
    with pytest.raises(Altered):
        master(b"m").unwrap(Wrapped(bytes(data), wrapped.master_key_id), BOUND)


@pytest.mark.parametrize("data", [b"", b"short", bytes(12), bytes(27)])
def test_what_was_cut_off_is_noticed(data: bytes) -> None:
    """However little is left."""
    with pytest.raises(Altered):
        master(b"m").unwrap(Wrapped(data, master(b"m").id), BOUND)


def test_what_is_wrapped_opens_in_its_own_place_alone() -> None:
    """Under another bond it is no key."""
    with pytest.raises(Altered):
        master(b"m").unwrap(master(b"m").wrap(KEY, BOUND), b"somebody else's")


def test_an_id_tells_keys_apart_and_nothing_of_them() -> None:
    """The same for the same key, another for another; none of the key's bytes are in it."""
    ids = {MasterKey(bytes([number]) * 32).id for number in range(50)}
    assert (50, {16}) == (len(ids), {len(each) for each in ids})
    assert master(b"m").id == MasterKey(b"m" * 32).id


def test_each_known_key_opens_what_it_wrapped() -> None:
    """One that is not known is told from one whose bytes were changed."""
    wrapped = masters(b"o").wrap(KEY, BOUND)
    assert KEY == masters(b"n", b"o").unwrap(wrapped, BOUND)
    with pytest.raises(WrongMasterKey) as caught:
        masters(b"n").unwrap(wrapped, BOUND)
    assert WrongMasterKey is caught.type


async def test_before_the_first_start_the_first_key_wraps() -> None:
    """Afterwards the one that the record names, wherever it stands."""
    book = Book()
    holder = KeyHolder(Given(b"n", b"o"), book)
    assert master(b"n").id == (await holder.fresh()).current.id
    book.key_id = master(b"o").id
    assert master(b"o").id == (await holder.fresh()).current.id


async def test_a_record_under_another_key_is_refused() -> None:
    """Nothing could be opened, and nothing may be wrapped."""
    with pytest.raises(WrongMasterKey):
        await KeyHolder(Given(b"n"), Book(master(b"o").id)).fresh()


async def test_a_key_that_is_given_later_is_found() -> None:
    """Without a restart: where keys are given is looked at again."""
    given, book = Given(b"o"), Book(master(b"o").id)
    holder = KeyHolder(given, book)
    await holder.known()
    given.keys, book.key_id = (b"n", b"o"), master(b"n").id
    assert master(b"o").id == (await holder.known()).current.id
    assert master(b"n").id == (await holder.fresh()).current.id
    assert master(b"n").id == (await holder.known()).current.id


async def test_keys_that_cannot_be_read_again_stay_known(caplog: pytest.LogCaptureFixture) -> None:
    """A file that is away for a moment stops nothing once the keys were read; before, it does."""
    given = Given(b"o")
    holder = KeyHolder(given, Book())
    await holder.fresh()
    given.keys = ()
    assert master(b"o").id == (await holder.fresh()).current.id
    assert "cannot be read again" in caplog.text
    with pytest.raises(ValueError, match="none"):
        await KeyHolder(given, Book()).fresh()


@pytest.mark.parametrize("text", ["", " ", "x", base64.b64encode(b"k" * 31).decode(), "=" * 44])
def test_text_that_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    """The message names the setting and never its value."""
    with pytest.raises(ValueError, match=r"master key|PAGEMESH_MASTER_KEY") as caught:
        parse(text)
    assert not text.strip() or text not in str(caught.value)


def test_neither_repr_shows_bytes() -> None:
    """Of a wrapped key, which a log line may hold."""
    assert "data" not in repr(master(b"m").wrap(KEY, BOUND))
