"""The built-in analyzer: it quotes the document and cannot invent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from services.analysis.answers import answer, passages
from services.analysis.evidence import Evidence, cite
from services.analysis.faults import AnalysisFault
from services.analysis.insights import insights
from services.analysis.keywords import Tag, tags
from services.analysis.kinds import Label, classify
from services.analysis.labels import Pair
from services.analysis.letterhead import headline
from services.analysis.metrics import Metric, fields, key_metrics, prose_metrics
from services.analysis.pairs import find_pairs
from services.analysis.reading import Document, Line
from services.analysis.request import AnalysisRequest, AnalysisResult
from services.analysis.sentences import Sentence, sentences
from services.analysis.summary import rank, summarize

MODEL_VERSION: Final = "pagemesh-local 1.0.0"
_LEAST_WEIGHT: Final = 2.0  # of a metric outside business papers, whose every figure counts
_SURE: Final = 0.4
_BUSINESS: Final = frozenset({"invoice", "receipt"})
_BLANK: Final = re.compile(r"intentionally (?:left )?blank", re.IGNORECASE)
_SUMMARY_FIELDS: Final = ("issuer", "invoice_number", "date", "due_date", "total")


@dataclass(slots=True)
class _Answer:
    """`result_data` as it grows, with the evidence of each of its values."""

    data: dict[str, Any]
    evidence: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def support(self, path: str, *evidence: Evidence) -> None:
        self.evidence[path] = [item.as_json() for item in evidence]


class _Reading:
    """What the parts of an answer are drawn from, each worked out when first asked for."""

    def __init__(self, document: Document, request: AnalysisRequest) -> None:
        self.document = document
        self.request = request

    @cached_property
    def sentences(self) -> list[Sentence]:
        return sentences(self.document)

    @cached_property
    def pairs(self) -> list[Pair]:
        return find_pairs(self.document, {id(line) for sentence in self.sentences for line in sentence.lines})

    @cached_property
    def labels(self) -> list[Label]:
        return classify(self.document)

    @property
    def is_business(self) -> bool:
        """Whether this is, surely enough, a paper known by its fields rather than by its prose."""
        return self.labels[0].kind in _BUSINESS and self.labels[0].score >= _SURE

    @cached_property
    def fields(self) -> dict[str, Metric]:
        found = fields(self.pairs)
        if self.is_business:
            for metric in headline(self.document, found):
                found.setdefault(metric.name, metric)
        return found

    @cached_property
    def title(self) -> str:
        lines = self.document.pages[0].lines if self.document.pages else ()
        return next((line.text for line in lines[:6] if 2 <= len(line.text.split()) <= 16), "")

    @cached_property
    def tags(self) -> list[Tag]:
        return tags(self.document, self.request.num_tags, self.request.exclude_tags)

    @cached_property
    def worth(self) -> list[float]:
        return rank(self.sentences, self.title)


def analyze_document(document: Document, request: AnalysisRequest) -> AnalysisResult:
    """Analyse a document without any model.

    Raises `nothing_to_analyze` where no page has text, and what `AnalysisRequest.check` raises.
    """
    request.check()
    if not any(page.lines or page.rows for page in document.pages):
        raise AnalysisFault("nothing_to_analyze", "The document has no text to analyse.")
    reading = _Reading(document, request)
    result = _Answer({})
    confidence = _common(result, reading)
    if specific := _SPECIFIC.get(request.analysis_type):
        confidence = specific(result, reading)
    result.data["evidence"] = result.evidence
    return AnalysisResult(
        result_data=result.data,
        confidence=round(confidence * document.reading_confidence, 3),
        model_version=MODEL_VERSION,
        warnings=tuple(_warnings(document, request)),
    )


def _common(result: _Answer, reading: _Reading) -> float:
    """Summary, key metrics, insights and tags, which every type of analysis carries."""
    chosen = _put_summary(result, reading)
    _put_metrics(result, reading)
    told = insights(reading.sentences, reading.worth)
    result.data["insights"] = [sentence.text for sentence in told]
    for number, sentence in enumerate(told):
        result.support(f"insights[{number}]", cite(sentence.lines, sentence.text))
    _put_tags(result, reading.tags)
    return 0.3 + 0.1 * min(chosen, 3) + 0.1 * bool(told)


def _put_summary(result: _Answer, reading: _Reading) -> int:
    """The summary; business papers and those without prose are summed up by their leading lines."""
    chosen = [] if reading.is_business else summarize(reading.sentences, worth=reading.worth)
    stretches = [(sentence.text, sentence.lines) for sentence in chosen] or _leading_lines(reading)
    separator = " " if chosen else "\n"
    result.data["summary"] = separator.join(text for text, _ in stretches)
    result.support("summary", *(cite(lines, text) for text, lines in stretches))
    return len(stretches)


def _leading_lines(reading: _Reading) -> list[tuple[str, Sequence[Line]]]:
    """Lines that hold the fields by which people know an invoice, else the first lines of the document."""
    found: Sequence[Sequence[Line]] = [reading.fields[name].lines for name in _SUMMARY_FIELDS if name in reading.fields]
    if len(found) < 2:
        lines = [line for page in reading.document.pages for line in reading.document.body(page)]
        found = [(line,) for line in lines if len(line.text) > 3 and not _BLANK.search(line.text)][:4]
    unique = dict.fromkeys(tuple(lines) for lines in found)
    return [(" ".join(line.text for line in lines), lines) for lines in unique]


def _put_metrics(result: _Answer, reading: _Reading) -> None:
    least = 0.0 if reading.is_business else _LEAST_WEIGHT
    chosen = key_metrics([*reading.fields.values(), *prose_metrics(reading.sentences)], least)
    result.data["key_metrics"] = {metric.name: metric.value.text for metric in chosen}
    result.data["key_metrics_detail"] = {metric.name: metric.value.as_json() for metric in chosen}
    for metric in chosen:
        result.support(f"key_metrics.{metric.name}", cite(metric.lines))


def _put_tags(result: _Answer, found: Sequence[Tag]) -> None:
    result.data["tags"] = [tag.text for tag in found]
    for number, tag in enumerate(found):
        result.support(f"tags[{number}]", cite((tag.line,)))


def _extract_fields(result: _Answer, reading: _Reading) -> float:
    found = reading.fields
    result.data["fields"] = {name: metric.value.text for name, metric in found.items()}
    for name, metric in found.items():
        result.support(f"fields.{name}", cite(metric.lines))
    return 0.2 + 0.5 * min(1.0, len(found) / 6) if found else 0.1


def _classify(result: _Answer, reading: _Reading) -> float:
    best = reading.labels[0]
    result.data["label"] = best.kind
    result.data["labels"] = [label.as_json() for label in reading.labels]
    if best.line is not None:
        result.support("label", cite((best.line,)))
    for number, label in enumerate(reading.labels):
        if label.line is not None:
            result.support(f"labels[{number}]", cite((label.line,)))
    return best.score


def _detail_tags(result: _Answer, reading: _Reading) -> float:
    result.data["tags_detail"] = [tag.as_json() for tag in reading.tags]
    return 0.3 + 0.4 * min(1.0, len(reading.tags) / reading.request.num_tags)


def _answer_question(result: _Answer, reading: _Reading) -> float:
    found = answer(reading.request.prompt or "", passages(reading.document, reading.sentences, reading.pairs))
    result.data["answer"] = found.text
    result.support("answer", *(cite(item.lines, None if item.pair else item.text) for item in found.passages))
    return found.confidence


_SPECIFIC: Final[dict[str, Callable[[_Answer, _Reading], float]]] = {
    "key_value_extraction": _extract_fields,
    "classification": _classify,
    "tagging": _detail_tags,
    "question_answering": _answer_question,
    "custom": _answer_question,
}


def _warnings(document: Document, request: AnalysisRequest) -> Iterable[str]:
    if document.truncated_at is not None:
        yield f"Pages from {document.truncated_at} on were not read: the document is too long."
    if request.analysis_type == "custom":
        yield "No language model is configured: the prompt was answered by the passages that match it best."
