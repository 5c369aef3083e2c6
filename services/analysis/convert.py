"""Requests and results to and from messages."""

import orjson
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from pagemesh.analysis.v1.analysis_pb2 import AnalysisOutcome
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, TokenUsage
from services.analysis.request import AnalysisRequest, AnalysisResult


def to_request(config: AnalysisConfig) -> AnalysisRequest:
    """What a message asks for."""
    return AnalysisRequest(config.analysis_type, config.prompt or None, MessageToDict(config.options))


def to_outcome(result: AnalysisResult, milliseconds: int) -> AnalysisOutcome:
    """What was found, as a message."""
    usage = result.token_usage
    data = {**result.result_data, "warnings": list(result.warnings)} if result.warnings else result.result_data
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
