"""Pages per second of born-digital extraction through ours, against bare pypdfium2 and pdfminer.six."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import bare_pool, corpus
from benchmarks.bare_pool import CORES, BarePool
from benchmarks.batches import Bare, Batch, in_turn, mesh_pages_per_second
from benchmarks.figures import Figure, Findings
from benchmarks.mesh import running_mesh
from benchmarks.papers import text_pdf

MADE_PAGES, ROUNDS, CORPUS_ROUNDS = 208, 3, 1
_PDFIUM, _PDFMINER = "bare pypdfium2, text only", "bare pdfminer.six, text only"
_MODES = {"text": "text", "mixed": "text and tables"}
METHOD = (
    f"Ours: upload to completed, {CORES} ingest processes, in mode `text` and in the default, which also finds "
    f"tables; both give every line's place, and all of it is recorded. Bare: {CORES} processes that stay, each with "
    "an equal share of each file's pages, the text alone. One after the other in every round."
)


async def measure() -> Findings:
    """The made document, then one long PDF of the corpus where there is one."""
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        pool = BarePool()
        running.callback(pool.close)
        bare = {
            _PDFIUM: Bare(pool, bare_pool.pdfium_text, bare_pool.shares),
            _PDFMINER: Bare(pool, bare_pool.pdfminer_text, bare_pool.shares),
        }
        made, warm_up = _made(directory, MADE_PAGES), _made(directory, 8)
        mesh = running.enter_context(running_mesh())
        for reader in bare.values():
            await reader.pages_per_second(warm_up)
        await mesh_pages_per_second(mesh, made)
        figures = _figures(made, await in_turn(mesh, made, list(_MODES), bare, ROUNDS))
        real = Batch("a long PDF of the corpus", corpus.pdfs("big_pdf")[:1])
        if real.files:
            figures += _figures(real, await in_turn(mesh, real, list(_MODES), bare, CORPUS_ROUNDS))
    return Findings(figures, METHOD)


def _made(directory: Path, pages: int) -> Batch:
    path = directory / f"text-{pages}.pdf"
    path.write_bytes(text_pdf(pages))
    return Batch("one made PDF", [(path, pages)])


def _figures(batch: Batch, rates: dict[str, list[float]]) -> list[Figure]:
    return [
        Figure(f"{what} of {batch.name}, {batch.pages} pages", "pages/s", rates[mode], against, rates[against])
        for mode, what in _MODES.items()
        for against in (_PDFIUM, _PDFMINER)
    ]
