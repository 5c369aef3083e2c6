"""Pages that were laid askew on the scanner.

The rows of a straight page are full or empty, so the profile of its rows is rough; a tilt blurs it. The angle is the
one whose rows differ most from their neighbours (Postl, "Detection of linear oblique structures and skew scan in
digitized documents", 1986), found on a small picture for 1 % of what reading the page costs.
"""

from __future__ import annotations

import math
from itertools import pairwise

from PIL import Image

from services.ocr.engine import Box

_SIDE = 600
_RANGE, _COARSE, _FINE = 6, 1.0, 0.25
_LEAST_ANGLE = 0.6
"""Less is read as well as straight text."""
_LEAST_GAIN = 1.5
"""Roughness over that of the page as it lies; pages that are not askew reach 1.25, askew ones begin at 1.8."""


def skew(image: Image.Image) -> float:
    """Degrees against the clock by which to rotate a greyscale page to level its lines; 0 when that does not pay."""
    small = image.reduce(max(1, round(max(image.size) / _SIDE)))
    unturned = _roughness(small, 0)
    coarse = _best(small, [step * _COARSE for step in range(-_RANGE, _RANGE + 1)])
    angle = _best(small, [coarse + step * _FINE for step in range(-3, 4)])
    pays = abs(angle) >= _LEAST_ANGLE and _roughness(small, angle) >= _LEAST_GAIN * max(unturned, 1)
    return angle if pays else 0.0


def level(image: Image.Image, angle: float) -> Image.Image:
    """The page rotated about its middle, of the same size, white where it was not."""
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)


def unlevel(box: Box, angle: float, width: int, height: int) -> Box:
    """The rectangle around a box of the levelled picture, in the picture as it was."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x, y = (box.left + box.right - width) / 2, (box.top + box.bottom - height) / 2
    middle = (x * cosine - y * sine + width / 2, x * sine + y * cosine + height / 2)
    half = _half_sides(box, abs(sine), cosine)
    left, top = round(middle[0] - half[0]), round(middle[1] - half[1])
    return Box(
        max(0, left), max(0, top), min(width, round(middle[0] + half[0])), min(height, round(middle[1] + half[1]))
    )


def _half_sides(box: Box, sine: float, cosine: float) -> tuple[float, float]:
    return (box.width * cosine + box.height * sine) / 2, (box.height * cosine + box.width * sine) / 2


def _best(image: Image.Image, angles: list[float]) -> float:
    return max(angles, key=lambda angle: _roughness(image, angle))


def _roughness(image: Image.Image, angle: float) -> int:
    """Sum of squared differences of neighbouring rows, after a shear that levels lines tilted by `angle`."""
    slope = math.tan(math.radians(angle))
    shear = (1, 0, 0, slope, 1, -slope * image.width / 2)
    sheared = image.transform(image.size, Image.Transform.AFFINE, shear, Image.Resampling.NEAREST, fillcolor=255)
    rows = sheared.resize((1, image.height), Image.Resampling.BOX).tobytes()
    return sum((above - below) ** 2 for above, below in pairwise(rows))
