"""Quarter turns and tilts, there and back."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageDraw

from services.ocr.engine import Box
from services.ocr.skew import level, skew, unlevel
from services.ocr.turn import TURNS, Turn, turned, unturned
from tests.unit.ocr.pages import drawn


def marked(size: tuple[int, int], box: Box) -> Image.Image:
    picture = Image.new("L", size, 0)
    ImageDraw.Draw(picture).rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=255)
    return picture


@pytest.mark.parametrize("turn", TURNS)
def test_boxes_turn_back_with_the_picture(turn: Turn) -> None:
    """What is found in the turned picture is told where it stands in the picture as given."""
    box = Box(10, 20, 40, 30)
    found = turned(marked((100, 60), box), turn).getbbox()
    assert found is not None
    assert box == unturned(Box(*found), turn, 100, 60)


def test_turns_go_with_the_clock() -> None:
    """A mark in the upper left corner goes to the upper right by 90 degrees."""
    assert (40, 0, 60, 10) == turned(marked((100, 60), Box(0, 0, 10, 20)), 90).getbbox()


@pytest.mark.parametrize("tilt", [-3.0, -1.5, 1.5, 3.0])
def test_tilt_is_measured_and_undone(tilt: float) -> None:
    """A page that was rotated is rotated back, to a quarter of a degree."""
    page = drawn().rotate(-tilt, Image.Resampling.BICUBIC, fillcolor=255)
    assert skew(page) == pytest.approx(tilt, abs=0.3)


def test_straight_and_blank_pages_are_left_alone() -> None:
    """No tilt is seen where there is none to see."""
    assert skew(drawn()) == 0.0
    assert skew(Image.new("L", (800, 600), 255)) == 0.0
    assert skew(Image.new("L", (1, 1), 0)) == 0.0


@pytest.mark.parametrize("angle", [-4.0, 2.5])
def test_boxes_go_back_to_the_tilted_page(angle: float) -> None:
    """The box of a mark on the levelled page covers the mark on the page as it was."""
    page = ImageChops.invert(marked((400, 300), Box(300, 40, 340, 60)))
    on_level = level(page, angle).point(lambda grey: 255 * (grey < 128)).getbbox()
    assert on_level is not None
    back = unlevel(Box(*on_level), angle, 400, 300)
    assert (back.left, back.top, back.right, back.bottom) == pytest.approx((300, 40, 340, 60), abs=5)
