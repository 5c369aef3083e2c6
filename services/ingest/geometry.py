"""Rectangles on a page, in points from its upper left corner."""

from collections.abc import Iterable
from typing import NamedTuple

from pagemesh.results.v1 import page_pb2


class Rectangle(NamedTuple):
    """A rectangle; `bottom` is below `top`, so the larger number."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in points."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in points."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Area in square points; 0 for an inverted rectangle."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    def intersection(self, other: "Rectangle") -> "Rectangle":
        """The common part; inverted, with an area of 0, when there is none."""
        return Rectangle(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def message(self) -> page_pb2.Box:
        """The same as a protobuf message."""
        return page_pb2.Box(left=self.left, top=self.top, right=self.right, bottom=self.bottom)


def union(boxes: Iterable[Rectangle]) -> Rectangle:
    """The smallest rectangle around all `boxes`, of which there is at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Rectangle(min(lefts), min(tops), max(rights), max(bottoms))
