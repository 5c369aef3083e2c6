"""Which passwords are refused for being guessed first.

A password needs 10 characters (NIST SP 800-63B section 5.1.1.2 asks for 8 and a list of refused ones) and is refused
when it is

1. a common word with digits or signs around it or in place of letters: `Welcome2024`, `P@ssw0rd!!!`, `Pässwörd1234`;
2. one that zxcvbn expects to be guessed within a million tries (score 0 or 1), knowing what the person said of
   themselves: leaked passwords, keyboard walks, repeats, dates, the mail address. Source: Wheeler, "zxcvbn: Low-Budget
   Password Strength Estimation", USENIX Security 2016. Logins are throttled, so that more would be asked for nothing.
"""

import asyncio
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator

from mesh.errors import InvalidArgument
from services.auth.common_passwords import WORDS
from services.auth.passwords import normal_form

_SHORTEST = 10
_LONGEST = 256
_LOWEST_SCORE = 2
# Scoring takes time with the square of the length, and exponentially with the number of different signs that stand
# for letters: 20 characters are done in 0.2 s at the worst, 72 take seconds.
_SCORED = 20
_INPUTS = 50
_LEET = str.maketrans("013457@$!", "oleastasi")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_PARTS = re.compile(r"[\W\d_]+")
# The library keeps what is known of a person in a global while it scores.
_one_at_a_time = threading.Lock()


async def require_strength(password: str, *known: str) -> None:
    """As `check_strength`, without holding up the event loop."""
    await asyncio.to_thread(check_strength, password, *known)


def check_strength(password: str, *known: str) -> None:
    """Raises InvalidArgument, WEAK_PASSWORD with `field`, for a password that is short or easy to guess.

    `known` is what the person said of themselves: mail address, name, organization.
    """
    text = normal_form(password)
    if len(text) < _SHORTEST:
        raise _weak(f"A password needs at least {_SHORTEST} characters.")
    if len(text) > _LONGEST:
        raise InvalidArgument(f"A password has at most {_LONGEST} characters.", field="password")
    plain = _without_accents(text)
    if _is_common_word(plain.casefold()):
        raise _weak("This password is too common.")
    if _score(plain, known) < _LOWEST_SCORE:
        raise _weak("This password is too easy to guess.")


def _is_common_word(text: str) -> bool:
    core, plain = _ENDS.sub("", text), text.translate(_LEET)
    return not WORDS.isdisjoint({core, core.translate(_LEET), _ENDS.sub("", plain)})


def _score(text: str, known: Iterable[str]) -> int:
    """0 to 4. Whoever guesses the whole has guessed its beginning and its end, so the better of the two counts."""
    from zxcvbn import zxcvbn  # its lists take 30 ms to load, which nobody needs at the start

    inputs = list(_inputs(known))[:_INPUTS]
    with _one_at_a_time:
        score: int = max(zxcvbn(part, inputs)["score"] for part in {text[:_SCORED], text[-_SCORED:]})
    return score


def _inputs(known: Iterable[str]) -> Iterator[str]:
    """Each text, and each of its words."""
    for text in known:
        plain = _without_accents(normal_form(text))
        yield plain
        yield plain.partition("@")[0]
        yield from filter(None, _PARTS.split(plain))


def _without_accents(text: str) -> str:
    bare = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    return unicodedata.normalize("NFC", bare)


def _weak(message: str) -> InvalidArgument:
    return InvalidArgument(message, "WEAK_PASSWORD", field="password")
