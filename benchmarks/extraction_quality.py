"""Quality and speed of text and table extraction against the ground truth of a corpus of real documents.

    python -m benchmarks.extraction_quality [--corpus DIR] [--output FILE] [--verbose]

Text: F1 over the bags of words and similarity of their order where the full text is known, and the share of known
snippets that are found. Tables: adjacency F1 (see `table_score`). Speed: pages per CPU second of ours in each mode,
of bare pypdfium2 and of pdfminer.six, in one process, one after the other.
"""

import argparse
import json
import os
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pypdfium2 as pdfium
from pdfminer.high_level import extract_text as pdfminer_text

from benchmarks.table_score import relations_of_tables, relations_of_truth, score
from pagemesh.results.v1 import page_pb2
from services.ingest.text import ExtractionMode, extract_pages

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_CORPUS = Path(os.environ.get("PAGEMESH_CORPUS", ROOT.parent / "shared" / "corpus"))
DEFAULT_OUTPUT = ROOT / "benchmarks" / "results" / "extraction_quality.json"
# The competition's own files; other ground truths cover one table of a page that may have several.
ICDAR = re.compile(r"/(eu|us)-\d")
SPEED_PAGES = 12
Entry = dict[str, Any]


def main() -> None:
    """Runs all of it and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--verbose", action="store_true", help="also print each document's figures")
    arguments = parser.parse_args()
    entries: list[Entry] = json.loads((arguments.corpus / "MANIFEST.json").read_text())
    report = {
        "text": text_quality(arguments.corpus, entries),
        "tables": table_quality(arguments.corpus, entries),
        "speed_pages_per_cpu_second": speeds(arguments.corpus, entries),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if not arguments.verbose:
        for part in (report["text"], report["tables"]):
            part.pop("documents")
    print(json.dumps(report, indent=1, ensure_ascii=False))


def text_quality(corpus: Path, entries: Iterable[Entry]) -> dict[str, Any]:
    """Ours beside bare pypdfium2 and pdfminer.six, over every born-digital file whose text is known."""
    readers: dict[str, Callable[[Path], str]] = {"ours": ours, "pypdfium2": bare, "pdfminer.six": pdfminer_text}
    documents = {
        entry["file"]: {name: _text_scores(corpus, entry, reader) for name, reader in readers.items()}
        for entry in entries
        if entry["kind"] == "born_digital" and entry["ground_truth"]
    }
    summary = {name: _summary([scores[name] for scores in documents.values()]) for name in readers}
    return {"documents": documents, "summary": summary}


def _text_scores(corpus: Path, entry: Entry, reader: Callable[[Path], str]) -> dict[str, float]:
    truth = (corpus / entry["ground_truth"]["file"]).read_text()
    text = reader(corpus / entry["file"])
    if entry["ground_truth"]["type"] == "text":
        return _agreement(words(text), words(truth))
    return _snippet_recall(text, json.loads(truth))


def _agreement(found: list[str], true: list[str]) -> dict[str, float]:
    common = (Counter(found) & Counter(true)).total()
    return {
        "f1": 2 * common / (len(found) + len(true)),
        "recall": common / max(len(true), 1),
        "order": SequenceMatcher(None, found, true, autojunk=False).ratio(),
    }


def _snippet_recall(text: str, snippets: list[dict[str, Any]]) -> dict[str, float]:
    squeezed = " ".join(words(text))
    recalls = [_present(squeezed, snippet["text"]) for snippet in snippets if snippet["type"] == "present"]
    orders = [_in_order(squeezed, snippet) for snippet in snippets if snippet["type"] == "order"]
    return ({"snippets": fmean(recalls)} if recalls else {}) | ({"snippet_order": fmean(orders)} if orders else {})


def _present(squeezed: str, snippet: str) -> float:
    return float(" ".join(words(snippet)) in squeezed)


def _in_order(squeezed: str, snippet: dict[str, Any]) -> float:
    before, after = (" ".join(words(snippet[key])) for key in ("before", "after"))
    return float(-1 < squeezed.find(before) < squeezed.find(after))


def words(text: str) -> list[str]:
    """Words without the marks around them, in lower case and compatibility form."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())


def _summary(scores: list[dict[str, float]]) -> dict[str, float]:
    names = {name for one in scores for name in one}
    return {name: round(fmean(one[name] for one in scores if name in one), 4) for name in sorted(names)}


def _pages(path: Path, mode: ExtractionMode) -> list[page_pb2.Page]:
    with pdfium.PdfDocument(path) as document:
        numbers = range(1, len(document) + 1)
    return [page for page in extract_pages(path, numbers, mode) if isinstance(page, page_pb2.Page)]


def ours(path: Path) -> str:
    """The text as the service would store it."""
    return "\n".join(page.text for page in _pages(path, "text"))


def bare(path: Path) -> str:
    """What pypdfium2 gives by itself."""
    with pdfium.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def table_quality(corpus: Path, entries: Iterable[Entry]) -> dict[str, Any]:
    """Adjacency F1 for each document with known tables, and pages per CPU second over all of them."""
    documents: dict[str, dict[str, float]] = {}
    pages, started = 0, time.process_time()
    seconds = 0.0
    for entry in (entry for entry in entries if entry["kind"] == "table_pdf"):
        started = time.process_time()
        extracted = _pages(corpus / entry["file"], "table")
        seconds += time.process_time() - started
        pages += len(extracted)
        truth = json.loads((corpus / entry["ground_truth"]["file"]).read_text())
        result = score(relations_of_tables(t for page in extracted for t in page.tables), relations_of_truth(truth))
        documents[entry["file"]] = {name: round(value, 3) for name, value in result._asdict().items()}
    icdar = [one for name, one in documents.items() if ICDAR.search(name)]
    return {
        "documents": documents,
        "icdar_2013": _table_summary(icdar),
        "all": _table_summary(list(documents.values())),
        "pages_per_cpu_second": round(pages / seconds, 1),
    }


def _table_summary(scores: list[dict[str, float]]) -> dict[str, float]:
    f1 = [one["f1"] for one in scores]
    means = {name: round(fmean(one[name] for one in scores), 3) for name in ("precision", "recall")}
    return {"files": len(scores), "f1_mean": round(fmean(f1), 3), "f1_median": round(median(f1), 3)} | means


def speeds(corpus: Path, entries: list[Entry]) -> dict[str, float]:
    """Pages per CPU second over at most the first pages of each born-digital file; the slow engine reads a third."""
    files = [corpus / entry["file"] for entry in entries if entry["kind"] in ("born_digital", "table_pdf", "big_pdf")]
    ours(files[0])  # loads the language model before the clock runs
    return {
        "ours, text": _rate(files, lambda path, n: sum(1 for _ in extract_pages(path, range(1, n + 1), "text"))),
        "ours, mixed": _rate(files, lambda path, n: sum(1 for _ in extract_pages(path, range(1, n + 1), "mixed"))),
        "pypdfium2": _rate(files, _bare_pages),
        "pdfminer.six": _rate(files[::3], lambda path, n: len(pdfminer_text(path, maxpages=n))),
    }


def _bare_pages(path: Path, count: int) -> None:
    with pdfium.PdfDocument(path) as document:
        for index in range(count):
            page = document[index]
            page.get_textpage().get_text_bounded()
            page.close()


def _rate(files: Iterable[Path], read: Callable[[Path, int], object]) -> float:
    pages, seconds = 0, 0.0
    for path in files:
        with pdfium.PdfDocument(path) as document:
            count = min(len(document), SPEED_PAGES)
        started = time.process_time()
        read(path, count)
        seconds += time.process_time() - started
        pages += count
    return round(pages / seconds, 1)


if __name__ == "__main__":
    main()
