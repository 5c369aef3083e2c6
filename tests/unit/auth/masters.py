"""Master keys for tests."""

from services.auth.master_keys import MasterKey, MasterKeys


def master(letter: bytes) -> MasterKey:
    """The key of 32 such letters."""
    return MasterKey(letter * 32)


def masters(*letters: bytes) -> MasterKeys:
    """Keys of 32 such letters each; the first wraps."""
    return MasterKeys([master(letter) for letter in letters], master(letters[0]).id)


class Held:
    """Master keys that stay as they are."""

    def __init__(self, known: MasterKeys) -> None:
        self._masters = known

    async def fresh(self) -> MasterKeys:
        """Those keys."""
        return self._masters
