"""Rules for what people type about themselves."""

import re
import unicodedata

from mesh.errors import InvalidArgument

_EMAIL_LENGTH = 254
_LOCAL_OCTETS = 64
_NAME_LENGTH = 200
_ATOM = r"[^\s@\"(),:;<>\[\\\].\x00-\x1f\x7f]+"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_EMAIL = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})+")


def is_email(text: str) -> bool:
    """Whether the text is a mail address: a dot-atom, `@`, and a domain of at least two labels.

    Letters of any script are letters. Quoted local parts, comments and address literals are not taken.
    Source: RFC 5321 section 4.1.2 and 4.5.3.1, RFC 6531 section 3.3.
    """
    match = _EMAIL.fullmatch(text) if len(text) <= _EMAIL_LENGTH else None
    return match is not None and len(match["local"].encode()) <= _LOCAL_OCTETS


def check_email(text: str) -> str:
    """The address. Raises InvalidArgument naming the field."""
    if not is_email(text):
        raise InvalidArgument("This is not a mail address.", field="email")
    return text


def check_name(text: str, field: str) -> str:
    """The name without blanks around it: 1 to 200 characters, none a control character. Raises InvalidArgument."""
    name = text.strip()
    if not 1 <= len(name) <= _NAME_LENGTH:
        raise InvalidArgument(f"This needs 1 to {_NAME_LENGTH} characters.", field=field)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise InvalidArgument("This holds characters that cannot be shown.", field=field)
    return name


def organization_of(name: str) -> str:
    """What the organization of somebody who names none is called; of a long name as much as there is room for."""
    return f"{name}'s organization"[:_NAME_LENGTH]
