"""Pages per second of OCR through ours, against bare Tesseract in as many processes on the same pages."""

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import bare_pool, corpus
from benchmarks.bare_pool import CORES, DPI, BarePool
from benchmarks.batches import Bare, Batch, in_turn, mesh_pages_per_second
from benchmarks.figures import Figure, Findings
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import scanned_pdf
from services.ocr.tessdata import prepare

MADE_PAGES, MADE_ROUNDS, CORPUS_ROUNDS = 24, 2, 2
_TESSERACT, _READING = "bare Tesseract (tesserocr), text only", "the same reading without services"
METHOD = (
    f"Ours: upload to completed, {CORES} OCR processes. Bare: {CORES} processes that stay, a page at a time, pdfium "
    f"and tesserocr at {DPI} dpi, nothing but the text. The same reading: `services.ocr.recognize.read_page` in those "
    "processes, with deskewing, turning, a second pass where the first was poor, and every word's place. One after "
    "the other in every round."
)


async def measure() -> Findings:
    """The made scans, then the corpus's where there are any."""
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        bare = _bare(running, str(prepare(directory / "tessdata")))
        made, warm_up = _made(directory, MADE_PAGES), _made(directory, 2 * CORES)
        mesh = running.enter_context(running_mesh())
        await _warm_up(mesh, bare, warm_up)
        figures = _figures(made, await in_turn(mesh, made, ["mixed"], bare, MADE_ROUNDS), at_least=0.9)
        real = Batch("corpus's scanned PDFs", corpus.pdfs("scan_pdf"))
        if real.files:
            figures += _figures(real, await in_turn(mesh, real, ["mixed"], bare, CORPUS_ROUNDS))
    return Findings(figures, METHOD)


def _bare(running: ExitStack, tessdata: str) -> dict[str, Bare]:
    pool = BarePool(partial(bare_pool.open_engines, tessdata))
    running.callback(pool.close)
    return {
        _TESSERACT: Bare(pool, bare_pool.ocr, bare_pool.each_page),
        _READING: Bare(pool, bare_pool.read_as_ours, bare_pool.each_page),
    }


def _made(directory: Path, pages: int) -> Batch:
    path = directory / f"scan-{pages}.pdf"
    path.write_bytes(scanned_pdf(pages))
    return Batch("one made scan", [(path, pages)])


async def _warm_up(mesh: Mesh, bare: dict[str, Bare], batch: Batch) -> None:
    await mesh_pages_per_second(mesh, batch)
    for reader in bare.values():
        await reader.pages_per_second(batch)


def _figures(batch: Batch, rates: dict[str, list[float]], at_least: float | None = None) -> list[Figure]:
    what, ours = f"OCR of {batch.name}, {batch.pages} pages", rates["mixed"]
    return [
        Figure(what, "pages/s", ours, _TESSERACT, rates[_TESSERACT], at_least=at_least),
        Figure(what, "pages/s", ours, _READING, rates[_READING]),
    ]
