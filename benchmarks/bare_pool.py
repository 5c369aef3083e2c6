"""Reading pages with bare libraries, in as many processes as there are cores: no service, no message, no record."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0))
Piece = tuple[str, tuple[int, ...]]
"""A file and the numbers of pages of it, from 1."""

_tesseract: Any = None


class BarePool:
    """Worker processes that stay between rounds, as a service's do."""

    def __init__(self, opened: Callable[[], None] | None = None) -> None:
        self._executor = ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"), opened)

    def seconds(self, read: Callable[[Piece], int], pieces: Sequence[Piece]) -> float:
        """Wall-clock time to read all pieces. Raises RuntimeError when one of them gave no text."""
        started = time.perf_counter()
        characters = list(self._executor.map(read, pieces))
        taken = time.perf_counter() - started
        if not all(characters):
            raise RuntimeError("a page without text: what was measured is no reading")
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
    return [
        (str(path), tuple(range(first, min(first + step, pages + 1)))) for first in range(1, pages + 1, step)
    ]


def open_tesseract() -> None:
    """Load English once in this process, one thread, as the OCR service does."""
    global _tesseract
    os.environ["OMP_THREAD_LIMIT"] = "1"
    import tesserocr

    from services.ocr import tessdata

    _tesseract = tesserocr.PyTessBaseAPI(
        path=f"{tessdata.directory()}/", lang="eng", oem=tesserocr.OEM.LSTM_ONLY, variables={"debug_file": "/dev/null"}
    )


def ocr(piece: Piece, dpi: int = 200) -> int:
    """Render with pdfium and read with Tesseract, plain text only; characters found."""
    import pypdfium2

    path, numbers = piece
    with pypdfium2.PdfDocument(path) as pdf:
        return sum(_recognized(pdf[number - 1].render(scale=dpi / 72, grayscale=True).to_pil(), dpi) for number in numbers)


def _recognized(picture: Any, dpi: int) -> int:
    _tesseract.SetImage(picture)
    _tesseract.SetSourceResolution(dpi)
    return len(_tesseract.GetUTF8Text())


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
