"""Characters put right."""

import pytest

from services.ingest.characters import clean


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain text", "plain text"),
        ("e\x0ecient \x0cnance", "efficient finance"),
        ("\uf0b7 item", "• item"),
        ("soft\xadhyphen and zero\u200bwidth", "softhyphen and zerowidth"),
        ("tab\tand\xa0space", "tab and space"),
        ("null\x00 bell\x07", "null bell"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    """Control characters go, TeX ligatures and symbol bullets are written out, letters stay."""
    assert expected == clean(raw)
