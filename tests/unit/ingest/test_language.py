"""Languages told offline."""

import sys

import pytest

from services.ingest.language import detect_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The committee met on Monday and decided to build the bridge.", "eng"),
        ("Der Ausschuss trat am Montag zusammen und beschloss den Bau.", "deu"),
        ("समिति की बैठक सोमवार को हुई और पुल बनाने का निर्णय लिया गया।", "hin"),
        ("चालान संख्या", "hin"),
        ("委员会周一开会并决定修建这座桥梁，工程将于明年春天开始，预计两年完成。", "zho"),
        ("12.50 7,000 %", ""),
        ("", ""),
    ],
)
def test_languages(text: str, expected: str) -> None:
    """ISO 639-3 codes; Devanagari by its script even when short; nothing for figures."""
    assert expected == detect_language(text)


def test_no_http_client_is_loaded() -> None:
    """The detector reads a model file and brings no downloader into the process."""
    detect_language("The committee met on Monday and decided to build the bridge.")
    assert "robust_downloader" not in sys.modules
