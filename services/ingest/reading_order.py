"""The order in which a person reads the lines of a page.

The file's own order is kept wherever it is plausible: most programs write text as it is read. Where it is not, blocks
of lines are sorted topologically by Breuel's rules (High performance document layout analysis, 2003): of two blocks
one above the other the upper comes first, of two side by side the left, or the right in a right-to-left script.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from services.ingest.geometry import Rectangle, union
from services.ingest.lines import TextLine

# Beyond this (charts, maps) sorting costs more than it can mend.
MAX_BLOCKS: Final = 60
# Ascenders, descenders and accents let the boxes of neighbouring lines overlap.
SLACK: Final = 2.0
# Lines further apart than this many line heights are no neighbours in a block.
BLOCK_GAP: Final = 1.6
PARAGRAPH_GAP: Final = 1.5
# Hebrew, Arabic and the blocks between and after them, with their presentation forms.
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def paragraphs(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """The lines in reading order, those of a paragraph together."""
    if not lines:
        return []
    upright = [line for line in lines if not line.is_vertical]
    if 2 * len(upright) < len(lines):
        return [_vertical_order(lines)]
    blocks = _blocks(upright)
    if not all(_plausible(first[-1].box, then[0].box) for first, then in pairwise(blocks)):
        blocks = _sorted(blocks, _is_right_to_left(upright))
    sideways = [line for line in lines if line.is_vertical]
    gap = _usual_gap(upright)
    return [part for block in blocks for part in _parted(block, gap)] + [[line] for line in sideways]


def _vertical_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """Columns of vertical script run from right to left; lines that were turned as a whole keep the file's order."""
    text = "".join(line.text for line in lines)
    ideographs = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    if 2 * ideographs < len(text):
        return list(lines)
    tiers: list[Rectangle] = []
    for box in sorted((line.box for line in lines), key=lambda box: box.top):
        if tiers and box.top < tiers[-1].bottom:
            tiers[-1] = union((tiers[-1], box))
        else:
            tiers.append(box)
    return sorted(lines, key=lambda line: (sum(tier.top <= line.box.top for tier in tiers), -line.box.right))


def _is_right_to_left(lines: Sequence[TextLine]) -> bool:
    sample = "".join(line.text for line in lines[:50])
    return 2 * len(_RIGHT_TO_LEFT.findall(sample)) > sum(map(str.isalpha, sample))


def _blocks(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    blocks: list[list[TextLine]] = []
    for line in lines:
        if blocks and _continues(blocks[-1][-1].box, line.box):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _continues(box: Rectangle, following: Rectangle) -> bool:
    left, top, right, bottom = box
    next_left, next_top, next_right, next_bottom = following
    height = max(bottom - top, next_bottom - next_top)
    if abs(bottom - next_bottom) < 0.5 * height and next_left >= right - SLACK:
        return next_left - right < 3 * height
    overlaps = next_left < right and left < next_right
    return overlaps and -SLACK - 0.3 * height <= next_top - bottom < BLOCK_GAP * height


def _plausible(box: Rectangle, following: Rectangle) -> bool:
    return following.top >= box.top - SLACK or following.left >= box.right - SLACK


def _sorted(blocks: list[list[TextLine]], right_to_left: bool) -> list[list[TextLine]]:
    """Topological order; among blocks that may come next the first in the file is taken."""
    count = len(blocks)
    if count > MAX_BLOCKS:
        return blocks
    boxes = [union(line.box for line in block) for block in blocks]
    before = [
        {other for other in range(count) if other != index and _precedes(boxes[other], boxes[index], right_to_left)}
        for index in range(count)
    ]
    waiting = list(range(count))
    order = []
    while waiting:
        chosen = next((index for index in waiting if before[index].isdisjoint(waiting)), waiting[0])
        waiting.remove(chosen)
        order.append(blocks[chosen])
    return order


def _precedes(box: Rectangle, other: Rectangle, right_to_left: bool) -> bool:
    if min(box.right, other.right) - max(box.left, other.left) > min(SLACK, box.width / 2, other.width / 2):
        return box.bottom <= other.top + SLACK and box.top < other.top
    if min(box.bottom, other.bottom) - max(box.top, other.top) <= SLACK:
        return False
    return box.left >= other.right - SLACK if right_to_left else box.right <= other.left + SLACK


def _usual_gap(lines: Sequence[TextLine]) -> float:
    gaps = [
        following.box.top - line.box.bottom
        for line, following in pairwise(lines)
        if 0 <= following.box.top - line.box.bottom < BLOCK_GAP * line.box.height
    ]
    return median(gaps) if gaps else 0.0


def _parted(block: list[TextLine], usual_gap: float) -> list[list[TextLine]]:
    parts = [[block[0]]]
    for line, following in pairwise(block):
        gap = following.box.top - line.box.bottom
        if gap > PARAGRAPH_GAP * usual_gap + 1 and gap > 0.5 * line.box.height:
            parts.append([])
        parts[-1].append(following)
    return parts
