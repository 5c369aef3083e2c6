"""How the user space of a PDF page lies on the page as displayed."""

from dataclasses import dataclass

from services.ingest.geometry import Rectangle


@dataclass(frozen=True, slots=True)
class PageFrame:
    """How user space lies on the page as displayed: its box (crop box within media box) in user space, its turn."""

    left: float
    bottom: float
    right: float
    top: float
    quarter_turns: int

    @property
    def width(self) -> float:
        """Width as displayed, in points."""
        return self.top - self.bottom if self.quarter_turns % 2 else self.right - self.left

    @property
    def height(self) -> float:
        """Height as displayed, in points."""
        return self.right - self.left if self.quarter_turns % 2 else self.top - self.bottom

    def to_display(self, x: float, y: float) -> tuple[float, float]:
        """A point of user space in points right of and below the displayed page's upper left corner."""
        match self.quarter_turns:
            case 0:
                return x - self.left, self.top - y
            case 1:
                return y - self.bottom, x - self.left
            case 2:
                return self.right - x, y - self.bottom
            case _:
                return self.top - y, self.right - x

    def from_display(self, x: float, y: float) -> tuple[float, float]:
        """The point of user space that `to_display` leads to these."""
        match self.quarter_turns:
            case 0:
                return x + self.left, self.top - y
            case 1:
                return y + self.left, x + self.bottom
            case 2:
                return self.right - x, y + self.bottom
            case _:
                return self.right - y, self.top - x

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Rectangle:
        """The displayed rectangle between two opposite corners given in user space."""
        if self.quarter_turns == 0:
            if x0 > x1:
                x0, x1 = x1, x0
            if y0 < y1:
                y0, y1 = y1, y0
            return Rectangle(x0 - self.left, self.top - y0, x1 - self.left, self.top - y1)
        ax, ay = self.to_display(x0, y0)
        bx, by = self.to_display(x1, y1)
        return Rectangle(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
