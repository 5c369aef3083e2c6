"""Which language a text is said to be in."""

from __future__ import annotations

import pytest

from services.ocr.language import language_of


@pytest.mark.parametrize(
    ("expected", "text", "requested"),
    [
        ("eng", "plain words", "eng"),
        ("eng", "plain words", "hin+eng"),
        ("hin", "सभी मनुष्यों को", "eng+hin"),
        ("hin", "सभी मनुष्यों को Gargi", "eng+hin"),
        ("mar", "सर्व मानवी", "eng+mar"),
        ("deu", "Guten Tag", "deu+eng"),
        ("deu", "Guten Tag", "deu_latf"),
        ("zho", "你好", "chi_sim"),
        ("hin", "plain words", "hin"),
        ("hin", "सभी", "script/Devanagari"),
        ("", "12.50 / 3", "eng"),
        ("", "", "eng+hin"),
    ],
)
def test_script_decides(expected: str, text: str, requested: str) -> None:
    """The first requested language of the script of most letters, as ISO 639-3; none without letters."""
    assert expected == language_of(text, requested)
