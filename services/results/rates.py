"""How fast work of one kind was done of late, while there was some to do."""

_MEMORY_SECONDS = 10.0
_LONGEST_GAP_SECONDS = 30.0
_MEMORY_UNITS = 8
_MEMORY_DOCUMENTS = 64
_ENOUGH_UNITS = 2


class Rate:
    """Units done and the seconds in which some were there to be done; what is older counts less and less.

    Moments are seconds of any one clock.
    """

    def __init__(self) -> None:
        self._units = 0.0
        self._seconds = 0.0
        self._since: float | None = None

    def begun(self, now: float) -> None:
        """There is work; when there was before, nothing changes."""
        if self._since is None:
            self._since = now

    def done(self, units: int, more: bool, now: float) -> None:
        """So much was done since the last time, or since it began; `more` says that some is left."""
        if self._since is None:
            return
        self._units += units
        self._seconds += min(now - self._since, _LONGEST_GAP_SECONDS)
        self._since = now if more else None
        if self._seconds > _MEMORY_SECONDS and self._units > _MEMORY_UNITS:
            self._units, self._seconds = self._units / 2, self._seconds / 2

    def idle(self) -> None:
        """There is no work: time does not count until there is some."""
        self._since = None

    @property
    def per_second(self) -> float | None:
        """Units a second; None until there is enough to go by."""
        return self._units / self._seconds if self._units >= _ENOUGH_UNITS and self._seconds > 0 else None


class Mix:
    """What documents of late had for each kind of task, once they were inspected."""

    def __init__(self) -> None:
        self._documents = 0.0
        self._units: dict[str, float] = {}

    def add(self, documents: int, units: dict[str, int]) -> None:
        """So many documents were inspected, and so much work came of it."""
        self._documents += documents
        for kind, count in units.items():
            self._units[kind] = self._units.get(kind, 0.0) + count
        if self._documents > _MEMORY_DOCUMENTS:
            self._documents /= 2
            self._units = {kind: count / 2 for kind, count in self._units.items()}

    def mean(self) -> dict[str, float] | None:
        """Units of a document by kind; None until there is enough to go by."""
        if self._documents < _ENOUGH_UNITS:
            return None
        return {kind: count / self._documents for kind, count in self._units.items()}
