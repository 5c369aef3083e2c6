"""One analysis of one document, by the model that is configured or by the built-in analyzer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pagemesh.results.v1 import page_pb2
from services.analysis.computing import compute
from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.local import analyze_document
from services.analysis.output_schema import check_schema, fill_schema
from services.analysis.reading import Document, read_document
from services.analysis.request import AnalysisRequest, AnalysisResult

Progress = Callable[[int, int], None]


async def analyze(
    pages: Iterable[page_pb2.Page],
    request: AnalysisRequest,
    llm: LlmSettings | None = None,
    *,
    on_progress: Progress | None = None,
) -> AnalysisResult:
    """Analyse the pages; `on_progress(done, total)` is told of model calls as they finish.

    `llm` says which model, whatever the options say. Raises `AnalysisFault`, whose codes its docstring lists.
    """
    request.check()
    if request.output_schema is not None:
        check_schema(request.output_schema)
    document = await compute(read_document, pages)
    if not any(page.lines or page.rows for page in document.pages):
        raise AnalysisFault("nothing_to_analyze", "The document has no text to analyse.")
    if llm is None:
        return await compute(_analyze_locally, document, request)
    # Imported here: a deployment without a provider never loads the client library.
    from services.analysis.llm import analyze_with_model

    return await analyze_with_model(document, request, llm, on_progress or _ignore)


def _analyze_locally(document: Document, request: AnalysisRequest) -> AnalysisResult:
    result = analyze_document(document, request)
    schema = request.output_schema
    if schema is None:
        return result
    full = analyze_document(document, replace(request, analysis_type="key_value_extraction"))
    return replace(result, result_data=fill_schema(_merged(full, result), schema))


def _merged(full: AnalysisResult, result: AnalysisResult) -> dict[str, object]:
    """The findings of an analysis with the fields of the document beside them."""
    evidence = {**full.result_data["evidence"], **result.result_data["evidence"]}
    return {**full.result_data, **result.result_data, "evidence": evidence}


def _ignore(done: int, total: int) -> None:
    """Progress that nobody follows."""
