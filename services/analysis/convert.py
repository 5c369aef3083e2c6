"""Requests and results to and from messages."""

from collections.abc import Mapping
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, AnalysisTemplate, TokenUsage
from services.analysis.output_schema import violation
from services.analysis.request import AnalysisRequest, AnalysisResult


def to_request(config: AnalysisConfig) -> AnalysisRequest:
    """What a message asks for; a template's instructions come before a prompt."""
    told = "\n\n".join(filter(None, (_instructions(config.template), config.prompt)))
    return AnalysisRequest(config.analysis_type, told or None, MessageToDict(config.options))


def _instructions(template: AnalysisTemplate) -> str:
    """The template's pieces as one text. The document itself comes apart from it, fenced as data."""
    return "".join("the document" if piece.document else piece.said or piece.value for piece in template.pieces)


def to_outcome(result: AnalysisResult, milliseconds: int, schema: Mapping[str, Any] | None = None) -> AnalysisOutcome:
    """What was found, as a message; with warnings, unless the schema of the caller has no place for them."""
    usage, data = result.token_usage, result.result_data
    if result.warnings:
        warned = {**data, "warnings": list(result.warnings)}
        data = data if schema is not None and violation(warned, schema) else warned
    return AnalysisOutcome(
        # JSON knows no infinity; a model that says one means "no number".
        result_data=ParseDict(orjson.loads(orjson.dumps(data)), Struct()),
        confidence=result.confidence,
        model_version=result.model_version,
        token_usage=TokenUsage(
            input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
        ),
        cost_usd=result.cost_usd,
        processing_time_ms=milliseconds,
        prompt_sha256=result.prompt_sha256 or "",
    )
