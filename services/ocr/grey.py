"""Any Pillow picture as 8-bit grey over white paper."""

from __future__ import annotations

from PIL import Image

_WIDE = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def grey(image: Image.Image) -> Image.Image:
    """The picture in mode L: palettes and colour models resolved, transparency shown over white."""
    if image.mode in _WIDE:
        return _narrowed(image)
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA").convert("LA"))
    if image.mode == "LAB":
        return image.getchannel("L")
    return image if image.mode == "L" else image.convert("L")


def extremes(image: Image.Image) -> tuple[float, float]:
    """The darkest and the lightest value of a picture with one band."""
    darkest, lightest = image.getextrema()
    assert not isinstance(darkest, tuple)
    assert not isinstance(lightest, tuple)
    return float(darkest), float(lightest)


def _over_white(image: Image.Image) -> Image.Image:
    paper = Image.new("L", image.size, 255)
    paper.paste(image.getchannel("L"), mask=image.getchannel("A"))
    return paper


def _narrowed(image: Image.Image) -> Image.Image:
    """More than 8 bits a sample: 0 to 65,535 for whole numbers, and the range that holds all values for fractions."""
    wide = image.convert("F")
    highest = extremes(wide)[1]
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    full = next((full for full in usual if highest <= full), highest)
    return wide.point(lambda value: value * (255.0 / full) + 0).convert("L")
