"""Analyses, asked for and done."""

from typing import Any, Literal

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes.common import Time, Uuid
from services.gateway.surfaces.platform.shapes.jobs import Provenance


class AnalysisAccepted(TypedDict):
    """An analysis that was started."""

    job_id: Uuid
    status: Literal["pending"]
    message: str


class TokenUsage(TypedDict):
    """Tokens of a language model."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class AnalysisResult(TypedDict):
    """What an analysis found, how, and at what cost."""

    analysis_type: str
    result_data: dict[str, Any]
    confidence_score: float
    model_version: str
    processing_time_ms: int
    token_usage: TokenUsage
    cost_usd: float | None
    provenance: Provenance


class Analysis(AnalysisResult):
    """An analysis."""

    id: Uuid
    created_at: Time


class Analyses(TypedDict):
    """Analyses of a document, newest first."""

    document_id: Uuid
    analyses: list[Analysis]
