"""Words that a hyphen at a line's end parted, whole again."""

from collections.abc import Sequence
from itertools import pairwise

from services.ingest.geometry import Rectangle
from services.ingest.lines import TextLine

PlacedText = tuple[str, Rectangle]


def rejoin_words(parts: Sequence[Sequence[TextLine]]) -> list[list[PlacedText]]:
    """Text and place of each line of each paragraph; a parted word stands whole at the end of the upper line.

    The hyphen stays where the second half starts with a capital or a digit ("SPARC-" "V9"). A lower line that held
    nothing but the rest of a word goes.
    """
    texts = [[line.text for line in part] for part in parts]
    places = [(i, j) for i, part in enumerate(parts) for j in range(len(part))]
    for (i, j), (below, first) in pairwise(places):
        if parts[i][j].hyphenated:
            rest, _, texts[below][first] = texts[below][first].partition(" ")
            texts[i][j] = _join(texts[i][j], rest)
    placed = [
        [(text, line.box) for text, line in zip(row, part, strict=True) if text]
        for row, part in zip(texts, parts, strict=True)
    ]
    return [part for part in placed if part]


def _join(head: str, rest: str) -> str:
    return head.removesuffix("-") + rest if rest[:1].islower() else head.removesuffix("-") + "-" + rest
