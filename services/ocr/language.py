"""The language of a text, as far as its script tells."""

from __future__ import annotations

_DEVANAGARI = range(0x0900, 0x0980)
_WRITTEN_IN_DEVANAGARI = ("hin", "mar", "nep", "san")
_ISO_639_3 = {"chi": "zho", "script": "", "Devanagari": "hin", "Latin": "eng"}
"""Tesseract's names that are no ISO 639-3 codes."""


def language_of(text: str, requested: str) -> str:
    """ISO 639-3 code of most of `text`, out of the requested `eng+hin`; empty when there are no letters.

    Devanagari or not is all that is told apart: with several languages in one script the first one is taken.
    """
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return ""
    devanagari = sum(ord(letter) in _DEVANAGARI for letter in letters) * 2 > len(letters)
    codes = [_code(name) for name in requested.split("+")]
    fitting = [code for code in codes if (code in _WRITTEN_IN_DEVANAGARI) == devanagari]
    return next(iter(fitting + codes), "")


def _code(name: str) -> str:
    """`chi_sim` is zho, `deu_latf` is deu."""
    base = name.rpartition("/")[2].partition("_")[0]
    return _ISO_639_3.get(base, base)
