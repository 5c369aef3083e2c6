"""Downloads: byte ranges (RFC 9110, section 14) and file names (RFC 6266, RFC 8187)."""

import re
import unicodedata
from urllib.parse import quote

from mesh.errors import InvalidArgument

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|%;]')


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The part `start` to `end` (exclusive) that a `Range` header asks for; None for the whole.

    Several ranges, other units and malformed ones are answered with the whole, as the RFC allows. Raises
    InvalidArgument with RANGE_NOT_SATISFIABLE for a range that has no byte of the content.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise InvalidArgument(f"There are {size} bytes.", "RANGE_NOT_SATISFIABLE", content_range=f"bytes */{size}")
    return start, end


def attachment(filename: str) -> str:
    """A `Content-Disposition` that saves under the name's last part, with a plain ASCII name for old readers."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", "".join(char for char in name if unicodedata.category(char) not in ("Cf", "Cs")))
    name = name.strip(". ") or "document"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or "document"
    if plain == name:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
