"""Polling: entity tags, waiting by preference, and when to come again.

Source: RFC 9110 (`ETag`, `If-None-Match`, `Retry-After`) and RFC 7240 (`Prefer: wait`).
"""

import hashlib
import re

LONGEST_WAIT_SECONDS = 60
_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?', re.IGNORECASE)
# Before anything was measured.
_TEXT_PAGE_SECONDS = 0.02
_OCR_PAGE_SECONDS = 0.7
_LONGEST_RETRY_SECONDS = 30


def strong_etag(content: bytes) -> str:
    """An entity tag that is the same if, and only if, the bytes are."""
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this representation already (weak comparison, as RFC 9110, section 13.1.2, asks)."""
    if if_none_match is None:
        return False
    if if_none_match == etag:
        return True
    candidates = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return any(candidate in (etag, "*") for candidate in candidates)


def preferred_wait(prefer: str | None) -> int | None:
    """Seconds that the client would wait, at most 60; None when it does not say so or says it badly."""
    for preference in (prefer or "").split(","):
        if found := _WAIT.fullmatch(preference):
            return min(LONGEST_WAIT_SECONDS, int(found[1]))
    return None


def retry_seconds(seconds_left: int | None, text_pages_left: int, ocr_pages_left: int) -> int:
    """When to poll again, after 1 to 30 seconds: when the work is expected to be done.

    Where nobody can expect anything yet, by the pages that are left to read.
    """
    if seconds_left is None:
        seconds_left = round(reading_seconds(text_pages_left, ocr_pages_left))
    return max(1, min(_LONGEST_RETRY_SECONDS, seconds_left))


def reading_seconds(text_pages: int, ocr_pages: int) -> float:
    """About how long it takes to read so many pages."""
    return text_pages * _TEXT_PAGE_SECONDS + ocr_pages * _OCR_PAGE_SECONDS
