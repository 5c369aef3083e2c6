"""How well and how fast scans are read, for each driver and resolution: word F1, character error rate, seconds.

    PYTHONPATH=.:gen python benchmarks/ocr_quality.py [--drivers tesserocr pytesseract] [--dpi 150 200 300]

Reads the scans, scanned images and receipts that have a text as ground truth under PAGEMESH_CORPUS (or
../shared/corpus), and writes benchmarks/results/ocr_quality.json. Each driver and resolution runs in a process of its
own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from services.ocr import tessdata
from services.ocr.engine import Driver, Engine, Layout, Recognized, describe, make_engine
from services.ocr.passes import read_picture
from services.ocr.recognize import read_page, to_page
from services.ocr.render import render

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("scan_pdf", "scan_image", "receipt_image")
MIME_TYPES = {".pdf": "application/pdf", ".tif": "image/tiff", ".jpg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True)
class Sample:
    """A page and its text."""

    path: Path
    number: int
    kind: str
    truth: str

    @property
    def mime_type(self) -> str:
        """Media type by the file's ending."""
        return MIME_TYPES[self.path.suffix.lower()]


@dataclass(frozen=True)
class Score:
    """One page: F1 of words as a bag, character error rate in reading order, seconds."""

    file: str
    number: int
    kind: str
    rotation: int
    word_f1: float
    cer: float
    confidence: float
    wall_s: float
    cpu_s: float


def samples(corpus: Path) -> list[Sample]:
    """Every scanned page of the corpus whose ground truth is a plain text.

    The only documents of several pages that have one repeat the same page, so the text holds for each of them.
    """
    entries = json.loads((corpus / "MANIFEST.json").read_text())
    return [
        Sample(corpus / entry["file"], number, entry["kind"], (corpus / name).read_text())
        for entry in entries
        if entry["kind"] in KINDS and (name := _text_of(entry))
        for number in range(1, (entry["pages"] or 1) + 1)
    ]


def _text_of(entry: dict[str, object]) -> str:
    truth = entry["ground_truth"]
    if not isinstance(truth, dict):
        return ""
    name = str(truth.get("text_file") or truth["file"])
    return name if name.endswith(".txt") else ""


def words(text: str) -> list[str]:
    """Words of a text as compared: compatibility forms unified, lower case, punctuation at the edges left off."""
    stripped = (_strip(word) for word in unicodedata.normalize("NFKC", text).lower().split())
    return [word for word in stripped if word]


def _strip(word: str) -> str:
    while word and not word[0].isalnum():
        word = word[1:]
    while word and not word[-1].isalnum():
        word = word[:-1]
    return word


def word_f1(expected: Iterable[str], actual: Iterable[str]) -> float:
    """F1 of two bags of words."""
    wanted, found = Counter(expected), Counter(actual)
    common = (wanted & found).total()
    return 2 * common / max(1, wanted.total() + found.total())


def error_rate(expected: str, actual: str) -> float:
    """Levenshtein distance over the length of `expected`: the rows of Wagner and Fischer (1974), each as one vector."""
    wanted, found = (np.array([ord(character) for character in text], dtype=np.int64) for text in (expected, actual))
    steps = np.arange(len(found) + 1)
    row = steps
    for i, character in enumerate(wanted, 1):
        kept = np.minimum(row[1:] + 1, row[:-1] + (found != character))
        row = np.minimum.accumulate(np.concatenate(([i], kept)) - steps) + steps
    return float(row[-1]) / max(1, len(wanted))


def score(engine: Engine, sample: Sample, dpi: int) -> Score:
    """Read one page and compare."""
    wall, cpu = time.perf_counter(), _cpu()
    page = read_page(engine, sample.path, sample.mime_type, sample.number, "eng", dpi)
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    wanted, found = words(sample.truth), words(page.text)
    return Score(
        file=sample.path.name,
        number=sample.number,
        kind=sample.kind,
        rotation=page.rotation,
        word_f1=word_f1(wanted, found),
        cer=error_rate(" ".join(wanted), " ".join(found)),
        confidence=page.confidence,
        wall_s=wall,
        cpu_s=cpu,
    )


def _cpu() -> float:
    mine = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def overhead(engine: Engine, corpus: list[Sample], dpi: int) -> float:
    """CPU of reading a rendered page over that of the engine alone, over pages that one pass suffices for."""
    whole = bare = 0.0
    for sample in corpus:
        rendered = render(sample.path, sample.mime_type, sample.number, dpi)
        counting = Counting(engine)
        start = _cpu()
        reading = read_picture(counting, rendered.image, "eng", dpi, partial(_same, rendered.image))
        to_page(reading, rendered, sample.number, "eng", describe(engine))
        middle = _cpu()
        engine.recognize(rendered.image, "eng", dpi)
        if counting.calls == 1:
            whole += middle - start
            bare += _cpu() - middle
    return whole / bare


def _same(image: Image.Image, _scale: float) -> Image.Image:
    return image


class Counting:
    """An engine that counts how often it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.calls = 0
        self.name, self.version, self.languages = engine.name, engine.version, engine.languages

    def recognize(self, image: Image.Image, languages: str, dpi: int, layout: Layout = Layout.PAGE) -> Recognized:
        """Pass on and count."""
        self.calls += 1
        return self._engine.recognize(image, languages, dpi, layout)


def run(driver: Driver, dpi: int, corpus: list[Sample]) -> dict[str, object]:
    """All pages with one driver at one resolution; meant for a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        engine = make_engine(driver, tessdata.prepare(Path(scratch)))
        engine.recognize(Image.new("L", (100, 100), 255), "eng", 100)  # opening the engine is no page's cost
        scores = [score(engine, sample, dpi) for sample in corpus]
        easy = [sample for sample, one in zip(corpus, scores, strict=True) if one.confidence > 0.9 and not one.rotation]
        ratio = overhead(engine, easy[:3], dpi)
    return {
        "driver": driver,
        "engine": describe(engine),
        "dpi": dpi,
        "cpu_over_bare_engine": round(ratio, 3),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "all": _summary(scores),
        "by_kind": {kind: _summary(of_kind) for kind in KINDS if (of_kind := [s for s in scores if s.kind == kind])},
        "by_page": [asdict(one) for one in scores],
    }


def _summary(scores: list[Score]) -> dict[str, float]:
    return {
        "pages": len(scores),
        "word_f1": round(statistics.mean(one.word_f1 for one in scores), 4),
        "cer": round(statistics.mean(one.cer for one in scores), 4),
        "pages_per_s": round(len(scores) / sum(one.wall_s for one in scores), 3),
        "cpu_s_per_page": round(sum(one.cpu_s for one in scores) / len(scores), 3),
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drivers", nargs="+", default=["tesserocr", "pytesseract"])
    parser.add_argument("--dpi", nargs="+", type=int, default=[150, 200, 300])
    parser.add_argument("--only", default="", help="read only files whose path contains this")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "ocr_quality.json")
    options = parser.parse_args()
    corpus = Path(os.environ.get("PAGEMESH_CORPUS", ROOT.parent / "shared" / "corpus"))
    chosen = [sample for sample in samples(corpus) if options.only in str(sample.path)]
    context = multiprocessing.get_context("spawn")
    results = []
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for driver in options.drivers:
        for dpi in options.dpi:
            with context.Pool(1) as pool:
                results.append(pool.apply(run, (driver, dpi, chosen)))
            print(json.dumps({key: value for key, value in results[-1].items() if key != "by_page"}))
            options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
