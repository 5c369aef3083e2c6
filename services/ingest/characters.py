"""Characters that a text layer holds and a reader should not see."""

import re
from typing import Final

# What PDFium writes for a hyphen that ends a line and may part a word.
LINE_END_HYPHEN: Final = "\ufffe"

# Ligatures at their places in TeX's text encoding OT1 (Knuth, The TeXbook, appendix F), where a font has no mapping.
_TEX_LIGATURES: Final = {"\x0b": "ff", "\x0c": "fi", "\r": "fl", "\x0e": "ffi", "\x0f": "ffl"}
# The Symbol and Wingdings fonts' usual bullets, which come as private-use characters.
_SYMBOLS: Final = {"\uf0b7": "•", "\uf0a7": "▪", "\uf06e": "■", "\uf0d8": "➢", "\uf0fc": "✓", "\uf0a8": "□"}
_DROPPED: Final = dict.fromkeys(map(chr, (*range(9), *range(0x0B, 0x20), 0x7F, 0xAD, 0x200B, 0xFEFF, 0xFFFF)), "")
_SPACES: Final = {"\t": " ", "\xa0": " ", "\n": " "}
_TABLE: Final = str.maketrans(_DROPPED | _SPACES | _SYMBOLS | {LINE_END_HYPHEN: "-"})
_LIGATURE: Final = re.compile(r"(?<=[^\W\d_])[\x0b-\x0f]|[\x0b-\x0f](?=[^\W\d_])")


def clean(text: str) -> str:
    """The text without control characters, with TeX's unmapped ligatures and symbol fonts' bullets written out."""
    if text.isascii() and text.isprintable():
        return text
    return _LIGATURE.sub(lambda match: _TEX_LIGATURES[match.group()], text).translate(_TABLE)
