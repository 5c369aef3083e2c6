"""Tesseract inside this process, kept open between pages."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import tesserocr

from services.ocr import tessdata, tsv
from services.ocr.engine import Layout, Recognized, check_languages
from services.ocr.faults import PageFault

if TYPE_CHECKING:
    from PIL import Image

_OPEN = 3
"""Language sets held open at once; each costs 20 to 40 MB."""


class TesserocrEngine:
    """The engine of `tesserocr`: no process per page, no picture on disk."""

    name = "tesseract (tesserocr)"

    def __init__(self, tessdata_dir: Path) -> None:
        self._tessdata = tessdata_dir
        self._open: OrderedDict[str, tesserocr.PyTessBaseAPI] = OrderedDict()

    @property
    def version(self) -> str:
        """Version of Tesseract."""
        return str(tesserocr.PyTessBaseAPI.Version())

    def languages(self) -> frozenset[str]:
        """Codes of the installed languages."""
        return tessdata.languages(self._tessdata)

    def recognize(self, image: Image.Image, languages: str, dpi: int, layout: Layout = Layout.PAGE) -> Recognized:
        """Read a picture; PageFault `language_missing` or `ocr_failed`."""
        api = self._api("+".join(check_languages(languages, self.languages())))
        picture = image if image.mode == "L" else image.convert("L")
        api.SetPageSegMode(int(layout))
        try:
            api.SetImageBytes(picture.tobytes(), picture.width, picture.height, 1, picture.width)
            api.SetSourceResolution(dpi)
            return tsv.parse(api.GetTSVText(0))
        except RuntimeError as error:
            raise PageFault("ocr_failed", "The OCR engine could not read this page.") from error
        finally:
            api.Clear()
            api.ClearAdaptiveClassifier()

    def _api(self, languages: str) -> tesserocr.PyTessBaseAPI:
        api = self._open.pop(languages, None)
        if api is None:
            api = self._start(languages)
        self._open[languages] = api
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].End()
        return api

    def _start(self, languages: str) -> tesserocr.PyTessBaseAPI:
        try:
            # Tesseract reports each empty page on stderr unless its log goes elsewhere.
            return tesserocr.PyTessBaseAPI(
                path=f"{self._tessdata}/",
                lang=languages,
                oem=tesserocr.OEM.LSTM_ONLY,
                variables={"debug_file": "/dev/null"},
            )
        except RuntimeError as error:
            raise PageFault("ocr_failed", f'The data of language "{languages}" could not be loaded.') from error
