"""Frames as a client's library reads them."""

import pytest
from websockets.extensions.base import Extension
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from services.gateway.live.frames import text_frame

_NO_EXTENSIONS: list[Extension] = []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_read_back(size: int) -> None:
    """Every form of the length is read as what it was, and nothing is left over."""
    stream = StreamReader()
    stream.feed_data(text_frame(b"a" * size))
    reading = Frame.parse(stream.read_exact, mask=False, extensions=_NO_EXTENSIONS)
    with pytest.raises(StopIteration) as read:
        next(reading)
    assert Frame(Opcode.TEXT, b"a" * size, fin=True) == read.value.value
    assert not stream.buffer
