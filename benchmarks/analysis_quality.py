"""How well the local analyzer reads business papers, and how fast it is.

Reads invoices (text layer) and receipts (published text) of a corpus with expected fields, counts which of them the
analyzer finds and whether every quote stands on its page, times it on documents of several lengths, and writes
`benchmarks/results/analysis_quality.json`.

    python -m benchmarks.analysis_quality /path/to/corpus
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pypdfium2

from pagemesh.results.v1.page_pb2 import Page
from services.analysis.evidence import EvidenceIndex
from services.analysis.local import MODEL_VERSION, analyze_document
from services.analysis.reading import read_document
from services.analysis.request import AnalysisRequest, AnalysisResult
from services.analysis.values import find_dates, find_values

RESULTS = Path(__file__).parent / "results" / "analysis_quality.json"
# Name of an expected field → name under which the analyzer gives it, and how the two are compared.
INVOICE_FIELDS = {
    "amount": ("total", "number"),
    "amount_untaxed": ("subtotal", "number"),
    "date": ("date", "date"),
    "date_due": ("due_date", "date"),
    "invoice_number": ("invoice_number", "text"),
    "order_id": ("order_number", "text"),
    "iban": ("iban", "text"),
    "vat": ("tax_number", "text"),
    "issuer": ("issuer", "text"),
}
RECEIPT_FIELDS = {
    "company": ("issuer", "text"),
    "date": ("date", "date"),
    "address": ("address", "text"),
    "total": ("total", "number"),
}
REPEATS = 5


def pdf_pages(path: Path) -> list[Page]:
    """The text layer of a PDF as pages without places."""
    document = pypdfium2.PdfDocument(path)
    try:
        texts = [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
    finally:
        document.close()
    return [Page(number=n, text=text.replace("\r\n", "\n")) for n, text in enumerate(texts, start=1)]


def invoices(corpus: Path) -> Iterator[tuple[str, list[Page], dict[str, Any]]]:
    """Name, pages and expected fields of each invoice."""
    for truth in sorted(corpus.glob("gt/invoice_pdf__*.json")):
        name = truth.stem.removeprefix("invoice_pdf__")
        yield name, pdf_pages(corpus / "invoice_pdf" / name), json.loads(truth.read_text())[0]


def receipts(corpus: Path) -> Iterator[tuple[str, list[Page], dict[str, Any]]]:
    """Name, published text and expected fields of each receipt."""
    for truth in sorted(corpus.glob("gt/receipt_image__*.json")):
        text = truth.with_suffix(".txt").read_text()
        yield truth.stem.removeprefix("receipt_image__"), [Page(number=1, text=text)], json.loads(truth.read_text())


def same(found: str | None, expected: Any, how: str) -> bool:
    """Whether a field as printed means what was expected."""
    if found is None:
        return False
    if how == "number":
        numbers = [value.number for value in find_values(found) if value.number is not None]
        return bool(numbers) and abs(numbers[0] - float(expected)) < 0.005
    if how == "date":
        return {day.day for day in find_dates(found)} & {day.day for day in find_dates(str(expected))} != set()
    plain, wanted = (re.sub(r"\W", "", text).casefold() for text in (found, str(expected)))
    return plain == wanted or (len(wanted) > 5 and wanted in plain)


def score(cases: Iterator[tuple[str, list[Page], dict[str, Any]]], names: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Recall of the expected fields, over all and by field, and what was missed; the share of true quotes."""
    found: dict[str, list[bool]] = {}
    missed: list[dict[str, Any]] = []
    quotes: list[bool] = []
    for name, pages, truth in cases:
        result = analyze_document(read_document(pages), AnalysisRequest("key_value_extraction"))
        quotes += true_quotes(pages, result)
        for expected_name, (field, how) in names.items():
            if expected_name not in truth:
                continue
            got = result.result_data["fields"].get(field)
            found.setdefault(field, []).append(same(got, truth[expected_name], how))
            if not found[field][-1]:
                missed.append({"file": name, "field": field, "expected": truth[expected_name], "found": got})
    every = [hit for hits in found.values() for hit in hits]
    return {
        "fields_expected": len(every),
        "recall": round(sum(every) / len(every), 3),
        "recall_by_field": {field: f"{sum(hits)}/{len(hits)}" for field, hits in found.items()},
        "quotes_verified": round(sum(quotes) / len(quotes), 4),
        "missed": missed,
    }


def true_quotes(pages: Sequence[Page], result: AnalysisResult) -> list[bool]:
    """For each quote, whether it stands on the page that it names."""
    index = EvidenceIndex(read_document(pages))
    items = [item for evidence in result.result_data["evidence"].values() for item in evidence]
    located = [index.locate(item["quote"], item["page"]) for item in items]
    return [
        place.match == "verified" and place.page == item["page"] for place, item in zip(located, items, strict=True)
    ]


def timing(corpus: Path) -> list[dict[str, Any]]:
    """CPU time of a whole tagging analysis (all common parts) for documents of several lengths."""
    report = pdf_pages(corpus / "born_digital" / "FarmerMac.pdf")[:5]
    book = pdf_pages(corpus / "big_pdf" / "xerox_alta_link_series_mfp_sag_en_us_2.pdf")
    return [timed("5 pages of dense text", report), timed("20 pages", book[20:40]), timed(f"{len(book)} pages", book)]


def timed(name: str, pages: list[Page]) -> dict[str, Any]:
    """The best of a few runs."""
    best = min(cpu_seconds(pages) for _ in range(REPEATS))
    chars = sum(len(page.text) for page in pages)
    return {
        "document": name,
        "characters": chars,
        "cpu_ms": round(best * 1000, 1),
        "cpu_ms_per_page": round(best * 1000 / len(pages), 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def cpu_seconds(pages: list[Page]) -> float:
    """CPU seconds of one analysis."""
    began = time.process_time()
    analyze_document(read_document(pages), AnalysisRequest("tagging"))
    return time.process_time() - began


def calibration() -> float:
    """CPU milliseconds of a fixed loop, so that runs on other machines can be compared."""
    began = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += number * number
    return round((time.process_time() - began) * 1000, 1) if total else 0.0


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    corpus = parser.parse_args().corpus
    results = {
        "model_version": MODEL_VERSION,
        "python": platform.python_version(),
        "million_loops_cpu_ms": calibration(),
        "invoices": score(invoices(corpus), INVOICE_FIELDS),
        "receipts": score(receipts(corpus), RECEIPT_FIELDS),
        "timing": timing(corpus),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(results, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
