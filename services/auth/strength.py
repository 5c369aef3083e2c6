"""Which passwords are refused for being guessed first.

A password needs 10 characters (NIST SP 800-63B section 5.1.1.2 asks for 8 and a list of refused ones) and is refused
when it is

1. a common word with digits or signs around it or in place of letters: `password12`, `P@ssw0rd!!!`, `Welcome2024`;
2. one of the common passwords that are no word: `1q2w3e4r5t`, `a123456789`;
3. one run of neighbours on the keyboard, in the alphabet or among the digits: `qwertyuiop`, `0987654321`;
4. the same few characters again and again: `aaaaaaaaaa`, `abcabcabcabc`, `passwordpassword`;
5. digits alone, under 16 of them: dates and telephone numbers;
6. little more than the first part of the account's own mail address.
"""

import re
import unicodedata

from mesh.errors import InvalidArgument
from services.auth.common_passwords import PASSWORDS, WORDS
from services.auth.passwords import normal_form

_SHORTEST = 10
_LONGEST = 256
_SHORTEST_NUMBER = 16
_FEWEST_BESIDE_ADDRESS = 6

_RUNS = (
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "1234567890-=",
    "!@#$%^&*()_+",
)
_LEET = str.maketrans("013457@$!", "oleastasi")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def check_strength(password: str, email: str) -> None:
    """Raises InvalidArgument, WEAK_PASSWORD with `field`, for a password that is short or common."""
    text = normal_form(password)
    if len(text) < _SHORTEST:
        raise _weak(f"A password needs at least {_SHORTEST} characters.")
    if len(text) > _LONGEST:
        raise InvalidArgument(f"A password has at most {_LONGEST} characters.", field="password")
    if is_common(text.casefold()):
        raise _weak("This password is too common.")
    if _echoes(text.casefold(), email.partition("@")[0].casefold()):
        raise _weak("This password is too close to the mail address.")


def is_common(text: str) -> bool:
    """Whether rules 1 to 5 refuse the text, which is in lower case."""
    if text in PASSWORDS or _is_run(text) or (text.isdecimal() and len(text) < _SHORTEST_NUMBER):
        return True
    block = _repeated_block(text)
    return len(set(block)) < 5 or _is_common_word(block)


def _is_common_word(text: str) -> bool:
    core = _without_accents(_ENDS.sub("", text))
    plain = _without_accents(text).translate(_LEET)
    candidates = {core, core.translate(_LEET), _ENDS.sub("", plain)}
    return any(_repeated_block(each) in WORDS or (len(each) >= 6 and _is_run(each)) for each in candidates)


def _is_run(text: str) -> bool:
    return any(text in run or text[::-1] in run for run in _RUNS)


def _repeated_block(text: str) -> str:
    """The shortest beginning whose repetition, the last one perhaps cut off, is the text; at most half of it."""
    for length in range(1, len(text) // 2 + 1):
        if all(text[index] == text[index - length] for index in range(length, len(text))):
            return text[:length]
    return text


def _echoes(text: str, local_part: str) -> bool:
    return len(local_part) >= 4 and local_part in text and len(text) - len(local_part) < _FEWEST_BESIDE_ADDRESS


def _without_accents(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))


def _weak(message: str) -> InvalidArgument:
    return InvalidArgument(message, "WEAK_PASSWORD", field="password")
