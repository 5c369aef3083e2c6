"""Quarter turns of a page: the picture one way, the places of its words back."""

from __future__ import annotations

from typing import Literal

from PIL import Image

from services.ocr.engine import Box

Turn = Literal[0, 90, 180, 270]
"""Clockwise, in degrees."""

TURNS: tuple[Turn, ...] = (0, 90, 180, 270)
_TRANSPOSE = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
"""Pillow counts against the clock."""


def turned(image: Image.Image, turn: Turn) -> Image.Image:
    """The picture turned clockwise."""
    return image.transpose(_TRANSPOSE[turn]) if turn else image


def unturned(box: Box, turn: Turn, width: int, height: int) -> Box:
    """Where a box of the turned picture stands in the picture of `width` by `height` that was turned."""
    if turn == 90:
        return Box(box.top, height - box.right, box.bottom, height - box.left)
    if turn == 180:
        return Box(width - box.right, height - box.bottom, width - box.left, height - box.top)
    if turn == 270:
        return Box(width - box.bottom, box.left, width - box.top, box.right)
    return box
