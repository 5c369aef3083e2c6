"""Frames of a server. They are not masked, so that one serves all readers. Source: RFC 6455 section 5.2."""

_FINAL_TEXT = 0x81
_SHORT, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127


def text_frame(payload: bytes) -> bytes:
    """A whole text message of UTF-8 as one frame."""
    size = len(payload)
    if size <= _SHORT:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, _TWO_BYTES)) + size.to_bytes(2) + payload
    return bytes((_FINAL_TEXT, _EIGHT_BYTES)) + size.to_bytes(8) + payload
