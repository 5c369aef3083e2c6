"""Pages that were scanned sideways or upside down.

Tesseract reads upright text, and by itself also text that runs down the page; the rest comes out as nonsense of low
confidence. So an upright page costs nothing here: only for a page of low confidence is a small sample read in the other
positions.
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from services.ocr.engine import Engine, Layout, Recognized
from services.ocr.turn import TURNS, Turn, turned

if TYPE_CHECKING:
    from PIL import Image

DOUBTFUL = 0.6
"""Mean confidence under which a page may lie the wrong way: upright print is over 0.7, overturned print under 0.4."""
_GAIN = 0.2
"""By how much the confidence of a turned sample must be over that of the page, besides being over DOUBTFUL."""
_SAMPLE_SIDE = 450
_SAMPLE_LINES = 14
_DOWN: Turn = 270
"""The turn that makes text upright which runs down the page, its letters lying on their right side."""


def turn_of(found: Recognized) -> Turn:
    """The turn that Tesseract applied by itself, told by most words of three characters and more being tall."""
    shapes = [word.box.height > word.box.width for word in found.words if len(word.text) > 2]
    return _DOWN if sum(shapes) * 2 > len(shapes) else 0


def better_turn(engine: Engine, image: Image.Image, languages: str, dpi: int, first: Recognized, scale: float) -> Turn:
    """The turn under which a sample of the page, enlarged by `scale`, reads far better than `first`, else its own."""
    own = turn_of(first)
    if first.confidence >= DOUBTFUL or not first.lines:
        return own
    sample = image.crop(_sample(first, image.size, scale))
    sample = sample.resize((round(sample.width * scale), round(sample.height * scale)))
    for turn in sorted(set(TURNS) - {own}, key=lambda other: (other - own) % 180):
        found = engine.recognize(turned(sample, turn), languages, round(dpi * scale), Layout.BLOCK)
        if found.confidence > max(first.confidence + _GAIN, DOUBTFUL):
            return turn
    return own


def _sample(found: Recognized, size: tuple[int, int], scale: float) -> tuple[int, int, int, int]:
    """A square in the middle of the paragraph with the most text: left, top, right, bottom."""
    counts: Counter[int] = Counter()
    for line in found.lines:
        counts[line.paragraph] += len(line.text)
    fullest = counts.most_common(1)[0][0]
    words = [word for line in found.lines if line.paragraph == fullest for word in line.words]
    thickness = median(min(word.box.width, word.box.height) for word in words)
    half = round(max(_SAMPLE_SIDE / scale, _SAMPLE_LINES * thickness) / 2)
    x = round(median((word.box.left + word.box.right) / 2 for word in words))
    y = round(median((word.box.top + word.box.bottom) / 2 for word in words))
    return max(0, x - half), max(0, y - half), min(size[0], x + half), min(size[1], y + half)
