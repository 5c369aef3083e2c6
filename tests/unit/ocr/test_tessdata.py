"""One directory with all language data."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ocr import tessdata


def test_operators_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PAGEMESH_TESSDATA_DIR adds languages and wins over what wheels bring."""
    own = tmp_path / "own"
    own.mkdir()
    for name in ("eng", "tlh"):
        (own / f"{name}.traineddata").write_bytes(name.encode())
    monkeypatch.setenv("PAGEMESH_TESSDATA_DIR", str(own))
    prepared = tessdata.prepare(tmp_path / "prepared")
    assert b"eng" == (prepared / "eng.traineddata").read_bytes()
    assert "tlh" in tessdata.languages(prepared)


def test_preparing_again_follows_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a file that went away is renewed."""
    prepared = tmp_path / "prepared"
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "tlh.traineddata").write_text(place)
        monkeypatch.setenv("PAGEMESH_TESSDATA_DIR", str(tmp_path / place))
        tessdata.prepare(prepared)
        assert place == (prepared / "tlh.traineddata").read_text()


def test_english_needs_no_preparation(data: Path) -> None:
    """The wheels of the lock bring English."""
    assert "eng" in tessdata.languages(data)
