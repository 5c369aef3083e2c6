"""Why the gateway closes a live connection. Codes: RFC 6455 section 7.4.2; 4000 and above are ours."""

from dataclasses import dataclass

from mesh.errors import Forbidden, PagemeshError, TooMuch, Unauthenticated, Unavailable

_LONGEST_REASON = 123


@dataclass(frozen=True, slots=True)
class Closing:
    """A close code, and a sentence for people, of 123 bytes at most."""

    code: int
    reason: str


GONE = Closing(1000, "")
RESTARTING = Closing(1012, "This gateway is restarting. Connect again.")
TOO_SLOW = Closing(1013, "Too much happened that you did not read. Connect again and ask for the jobs.")
UNKNOWN = Closing(1013, "The credential cannot be verified now. Connect again.")
REVOKED = Closing(4401, "The credential is expired or revoked.")
NOT_YOURS = Closing(4403, "These are the updates of another user.")
TOO_MANY = Closing(4429, "This user has too many live connections.")

_CODES: dict[type[PagemeshError], int] = {Unauthenticated: 4401, Forbidden: 4403, TooMuch: 4429, Unavailable: 1013}


def of_error(error: PagemeshError) -> Closing:
    """What a connection is closed with that could not be let in."""
    return Closing(_CODES.get(type(error), 1011), error.message.encode()[:_LONGEST_REASON].decode(errors="ignore"))
