"""What a reader has yet to be sent: bounded, however slowly it reads."""

from collections import OrderedDict

from services.gateway.live.updates import Channel, Update

CAPACITY = 4_096
"""Subjects whose progress waits, and ends that wait, each: 100 bytes one, and 400 that a user's readers share."""


class TooSlow(Exception):
    """More ends wait for the reader than are kept; none may be dropped, so the reader has to go."""


class Outbox:
    """Updates in the order in which they arrived.

    Of a job or document that goes on only the newest waits; a new one that finds the outbox full is dropped, and the
    next one of its subject tells more. Ends are never dropped and never replaced.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._passing: dict[tuple[Channel, str], int] = {}
        self._waiting: OrderedDict[int, Update] = OrderedDict()
        self._next = 1

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> int:
        """The number of the oldest that waits; of the next one when none does. Numbers grow from 1."""
        return next(iter(self._waiting), self._next)

    @property
    def last(self) -> int:
        """The number of the newest that ever came."""
        return self._next - 1

    def after(self, number: int) -> list[Update]:
        """What waits and came after that one."""
        return [update for came, update in self._waiting.items() if came > number]

    def put(self, update: Update) -> None:
        """Takes an update in place of what waits of the same subject and is no end. Raises TooSlow."""
        place = (update.channel, update.subject)
        overtaken = self._passing.pop(place, None)
        if overtaken is not None:
            del self._waiting[overtaken]
        if update.final:
            if len(self._waiting) - len(self._passing) >= self._capacity:
                raise TooSlow
        elif len(self._passing) >= self._capacity:
            return
        else:
            self._passing[place] = self._next
        self._waiting[self._next] = update
        self._next += 1

    def take(self, count: int) -> list[Update]:
        """The first that wait, so many at most, which do no more."""
        return [self._first() for _ in range(min(count, len(self._waiting)))]

    def _first(self) -> Update:
        _, update = self._waiting.popitem(last=False)
        if not update.final:
            del self._passing[update.channel, update.subject]
        return update

    def drop(self, channel: Channel) -> None:
        """Removes what waits of a channel that is no longer wanted."""
        for number in [number for number, update in self._waiting.items() if update.channel is channel]:
            update = self._waiting.pop(number)
            self._passing.pop((channel, update.subject), None)
