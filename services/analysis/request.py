"""What an analysis is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.analysis.faults import AnalysisFault

ANALYSIS_TYPES: Final = frozenset(
    {
        "summary",
        "financial_analysis",
        "key_value_extraction",
        "classification",
        "tagging",
        "question_answering",
        "custom",
    }
)
PROMPTED_TYPES: Final = frozenset({"question_answering", "custom"})
DEFAULT_TAGS: Final = 8
MAX_TAGS: Final = 50


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """One analysis of one document.

    `options` knows `output_schema` (JSON Schema of `result_data`), `model`, `num_tags` (1–50) and
    `exclude_tags` (words never to be used in a tag); others are ignored.
    """

    analysis_type: str
    prompt: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `unknown_analysis_type` or `invalid_request` for what no analyzer could answer."""
        if self.analysis_type not in ANALYSIS_TYPES:
            raise AnalysisFault("unknown_analysis_type", "This analysis type does not exist.")
        if self.analysis_type in PROMPTED_TYPES and not (self.prompt or "").strip():
            raise AnalysisFault("invalid_request", f"An analysis of type {self.analysis_type} needs a prompt.")

    @property
    def model(self) -> str | None:
        """The model that is wanted, or None for the usual one."""
        wanted = self.options.get("model")
        return wanted if isinstance(wanted, str) and wanted else None

    @property
    def num_tags(self) -> int:
        """How many tags at most, held to 1–50."""
        wanted = self.options.get("num_tags")
        return min(MAX_TAGS, max(1, int(wanted))) if isinstance(wanted, (int, float)) else DEFAULT_TAGS

    @property
    def exclude_tags(self) -> tuple[str, ...]:
        """Words and phrases that no tag may contain."""
        words = self.options.get("exclude_tags") or ()
        return tuple(str(word) for word in ([words] if isinstance(words, str) else words))

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The shape that `result_data` must have, or None for the shape of the analysis type."""
        schema = self.options.get("output_schema")
        return dict(schema) if isinstance(schema, Mapping) and schema else None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that a model read and wrote; all zero for the local analyzer."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together, as providers bill."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What an analysis found.

    `result_data` is JSON; `confidence` runs from 0 to 1; `cost_usd` is None where the price is not known;
    `prompt_sha256` is None where no prompt was sent to a model.
    """

    result_data: dict[str, Any]
    confidence: float
    model_version: str
    token_usage: TokenUsage = TokenUsage()
    cost_usd: float | None = None
    prompt_sha256: str | None = None
    warnings: tuple[str, ...] = ()
