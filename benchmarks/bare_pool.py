"""Reading pages with bare libraries, in as many processes as there are cores: no service, no message, no record."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from services.ocr.engine import Engine, make_engine
from services.ocr.recognize import read_page

CORES = len(os.sched_getaffinity(0))
Piece = tuple[str, tuple[int, ...]]
"""A file and the numbers of pages of it, from 1."""

DPI = 200
"""As the OCR service's default."""
MAX_SIDE = 10_000
"""Pixels; scans placed on sheets of two metres would not fit into memory."""

_tesseract: Any = None
_ours: Engine | None = None


class BarePool:
    """Worker processes that stay between rounds, as a service's do."""

    def __init__(self, opened: Callable[[], None] | None = None) -> None:
        self._executor = ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"), opened)

    def seconds(self, read: Callable[[Piece], int], pieces: Sequence[Piece]) -> float:
        """Wall-clock time to read all pieces. Raises RuntimeError when none of them gave text."""
        started = time.perf_counter()
        characters = list(self._executor.map(read, pieces))
        taken = time.perf_counter() - started
        if not any(characters):
            raise RuntimeError("no text in any page: what was measured is no reading")
        return taken

    def close(self) -> None:
        """Ends the processes."""
        self._executor.shutdown()


def each_page(path: Path, pages: int) -> list[Piece]:
    """One piece a page."""
    return [(str(path), (number,)) for number in range(1, pages + 1)]


def shares(path: Path, pages: int) -> list[Piece]:
    """One piece a core."""
    step = -(-pages // CORES)
    return [(str(path), tuple(range(first, min(first + step, pages + 1)))) for first in range(1, pages + 1, step)]


def open_engines(tessdata: str) -> None:
    """Load English once in this process, one thread, as the OCR service does; once bare, once as that service."""
    global _tesseract, _ours
    os.environ["OMP_THREAD_LIMIT"] = "1"
    import tesserocr

    options = {"oem": tesserocr.OEM.LSTM_ONLY, "variables": {"debug_file": "/dev/null"}}
    _tesseract = tesserocr.PyTessBaseAPI(path=f"{tessdata}/", lang="eng", **options)
    _ours = make_engine("tesserocr", Path(tessdata))


def ocr(piece: Piece) -> int:
    """Render with pdfium and read with Tesseract, plain text only; characters found."""
    import pypdfium2

    path, numbers = piece
    with pypdfium2.PdfDocument(path) as pdf:
        return sum(_recognized(pdf[number - 1]) for number in numbers)


def _recognized(page: Any) -> int:
    scale = min(DPI / 72, MAX_SIDE / max(page.get_size()))
    _tesseract.SetImage(page.render(scale=scale, grayscale=True).to_pil())
    _tesseract.SetSourceResolution(round(scale * 72))
    return len(_tesseract.GetUTF8Text())


def read_as_ours(piece: Piece) -> int:
    """What the OCR service's child does with the pages; characters found."""
    path, numbers = piece
    assert _ours is not None
    return sum(len(read_page(_ours, Path(path), "application/pdf", number, dpi=DPI).text) for number in numbers)


def pdfium_text(piece: Piece) -> int:
    """Text of the pages by pypdfium2; characters found."""
    import pypdfium2

    path, numbers = piece
    with pypdfium2.PdfDocument(path) as pdf:
        return sum(len(pdf[number - 1].get_textpage().get_text_bounded()) for number in numbers)


def pdfminer_text(piece: Piece) -> int:
    """Text of the pages by pdfminer.six; characters found."""
    from pdfminer.high_level import extract_text

    path, numbers = piece
    return len(extract_text(path, page_numbers=[number - 1 for number in numbers]))
