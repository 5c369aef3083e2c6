"""How often a page is read: once when that goes well, which is nearly always, and at most once more.

The second pass is for pages that lie the wrong way, for small print, and for pages on which the layout analysis found
nothing at all; whichever pass the engine is surer of is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from services.ocr.engine import Box, Engine, Layout, Recognized
from services.ocr.grey import extremes
from services.ocr.orientation import DOUBTFUL, better_turn, turn_of
from services.ocr.skew import level, skew, unlevel
from services.ocr.turn import Turn, turned, unturned

if TYPE_CHECKING:
    from PIL import Image

_SURE = 0.85
"""Mean confidence from which a page is never read again."""
_LEGIBLE, _COMFORTABLE = 20, 24
"""Height of words in pixels under which enlarging helped and to which it is done (receipts of 2019's SROIE: F1 +0.03;
a page of 72 dpi: from nonsense to text). Taller words came out the same or worse."""
_MUCH, _MAX_SCALE = 1.7, 3.0
_FEW_PIXELS = 1000
"""Long side under which a page that cannot be read may just be too small."""
_MARGIN = 0.05
"""An enlarged page is kept though its confidence is lower by so much: it is surer of fewer mistakes."""
_INK = 48
"""Difference of grey between paper and print below which a page is taken to be blank."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, in pixels of the picture as it was given, and the clockwise turn that makes it upright."""

    recognized: Recognized
    turn: Turn


def read_picture(
    engine: Engine, image: Image.Image, languages: str, dpi: int, closer: Callable[[float], Image.Image]
) -> Reading:
    """Read a page. `closer(scale)` renders it at up to `scale` times the resolution, as far as the file has detail."""
    angle = skew(image)
    if not angle:
        return _read(engine, image, languages, dpi, closer)
    found = _read(engine, level(image, angle), languages, dpi, lambda scale: level(closer(scale), angle))
    return replace(found, recognized=found.recognized.moved(lambda box: unlevel(box, angle, *image.size)))


def _read(
    engine: Engine, image: Image.Image, languages: str, dpi: int, closer: Callable[[float], Image.Image]
) -> Reading:
    first = engine.recognize(image, languages, dpi)
    own, scale = turn_of(first), _scale(first, image)
    if first.confidence >= _SURE or (not first.lines and _is_blank(image)):
        return Reading(first, own)
    turn = better_turn(engine, image, languages, dpi, first, scale)
    if turn != own and scale < _MUCH:
        scale = 1.0  # the turn explains the confidence
    if first.lines and turn == own and scale == 1:
        return Reading(first, own)
    picture = _enlarged(image, closer, scale)
    applied = turn if turn != own else 0  # text that runs down the page is read as it lies
    layout = Layout.PAGE if first.lines else Layout.SPARSE
    second = engine.recognize(turned(picture, applied), languages, round(dpi * scale), layout)
    # Scattered "words" of low confidence are what pictures without text give.
    if second.confidence < (first.confidence - _MARGIN if first.lines else DOUBTFUL):
        return Reading(first, own)
    return Reading(second.moved(lambda box: _placed(box, applied, picture.size, image.width / picture.width)), turn)


def _is_blank(image: Image.Image) -> bool:
    darkest, lightest = extremes(image)
    return lightest - darkest < _INK


def _scale(found: Recognized, image: Image.Image) -> float:
    """How much larger the words should be, 1 to _MAX_SCALE."""
    height = median([min(word.box.width, word.box.height) for word in found.words] or [_COMFORTABLE])
    scale = 1.0 if height >= _LEGIBLE else min(_COMFORTABLE / max(height, 1), _MAX_SCALE)
    # Lines of tiny print run together, and then words seem tall.
    return max(scale, 2.0) if found.confidence < DOUBTFUL and max(image.size) < _FEW_PIXELS else scale


def _enlarged(image: Image.Image, closer: Callable[[float], Image.Image], scale: float) -> Image.Image:
    if scale == 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    picture = closer(scale)
    return picture if picture.width >= size[0] * 0.95 else picture.resize(size)


def _placed(box: Box, turn: Turn, size: tuple[int, int], scale: float) -> Box:
    """From a picture that was turned from `size` to the page that is `scale` times as large."""
    upright = unturned(box, turn, *size)
    left, top, right, bottom = (
        round(side * scale) for side in (upright.left, upright.top, upright.right, upright.bottom)
    )
    return Box(left, top, right, bottom)
