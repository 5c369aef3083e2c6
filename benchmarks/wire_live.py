"""What a WebSocket client writes, as bytes (RFC 6455): its handshake, and short text messages."""

import base64
import json

from benchmarks.wire import Address, request_bytes

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}
_SHORT = 126


def upgrade(url: str, token: str) -> bytes:
    """The handshake for the updates of the token's user."""
    headers = {"Authorization": f"Bearer {token}", **_UPGRADE}
    return request_bytes("GET", f"/api/v1/ws/{_subject(token)}", Address.of(url).authority, headers)


def text_frame(message: str) -> bytes:
    """A text frame with a mask of zeros. Raises ValueError for more than 125 bytes."""
    content = message.encode()
    if len(content) >= _SHORT:
        raise ValueError("too long for a short frame")
    return bytes([0x81, 0x80 | len(content)]) + bytes(4) + content


def _subject(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
