"""Whether everything that is told of jobs is heard.

Each replica of `results` numbers what it tells, and tells once a second how far it is. As long as every number comes
and no replica falls silent, nothing can have been missed, so that what is known of a job is as good as new however
long ago it was told. A number that is left out, or a replica that is not heard for `SILENCE_SECONDS`, breaks that.
"""

import time

SILENCE_SECONDS = 3.0


class Continuity:
    """Counts along with every replica that tells."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._heard_at: dict[str, float] = {}
        self.broken_at = time.monotonic()
        """When something may have been missed last."""

    @property
    def sound(self) -> bool:
        """Whether somebody tells, and everybody who did still does."""
        due = time.monotonic() - SILENCE_SECONDS
        return bool(self._heard_at) and all(heard >= due for heard in self._heard_at.values())

    def heard(self, teller: str, number: int) -> bool:
        """Takes the number of what was told; False when others before it were missed.

        A teller that is new has told nothing that was to be heard before: it begins with any number.
        """
        expected = self._numbers.get(teller, number - 1) + 1
        self._take(teller, number)
        return self._unbroken(number == expected)

    def counted(self, teller: str, number: int) -> bool:
        """Takes how far a teller is; False when the last of it were missed."""
        known = self._numbers.get(teller, number)
        self._take(teller, number)
        return self._unbroken(number == known)

    def look(self) -> bool:
        """Gives up whoever has fallen silent; False when somebody has."""
        due = time.monotonic() - SILENCE_SECONDS
        silent = [teller for teller, heard in self._heard_at.items() if heard < due]
        for teller in silent:
            del self._numbers[teller], self._heard_at[teller]
        return self._unbroken(not silent)

    def lost(self) -> None:
        """Nothing was heard for a while."""
        self._numbers.clear()
        self._heard_at.clear()
        self._unbroken(False)

    def _take(self, teller: str, number: int) -> None:
        self._numbers[teller] = number
        self._heard_at[teller] = time.monotonic()

    def _unbroken(self, whole: bool) -> bool:
        if not whole:
            self.broken_at = time.monotonic()
        return whole
