"""What an analysis would take: tokens by the length of what is sent, cost by litellm's own table of prices."""

from __future__ import annotations

import asyncio
from typing import Final

from pagemesh.analysis.v1.estimate_pb2 import EstimateRequest, EstimateResponse
from services.analysis import prompts
from services.analysis.choice import Choice
from services.analysis.convert import to_request
from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.local import MODEL_VERSION
from services.analysis.output_schema import check_schema
from services.analysis.provider import price
from services.analysis.request import AnalysisRequest
from services.analysis.user_keys import Asker

CHARACTERS_PER_TOKEN: Final = 4
"""Of English text, about, whatever the model; other scripts take more tokens."""
ANSWER_TOKENS: Final = 800
"""What one call answers, about."""
_LOCAL_CHARACTERS_PER_SECOND: Final = 500_000
_LOCAL_SECONDS: Final = 0.05


class Estimates:
    """Estimates analyses, by the same choice of model."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice

    async def of(self, asked: EstimateRequest, asker: Asker) -> EstimateResponse:
        """What it would take. Raises AnalysisFault for what the analysis would be refused for, Unavailable."""
        request = to_request(asked.config)
        request.check()
        if request.output_schema is not None:
            check_schema(request.output_schema)
        characters = asked.characters if asked.HasField("characters") else None
        if characters == 0:
            raise AnalysisFault("nothing_to_analyze", "The document has no text to analyse.")
        llm = await self._choice.choose(asker, request.model)
        return _local(characters) if llm is None else await _remote(request, llm, characters)


def _local(characters: int | None) -> EstimateResponse:
    seconds = None if characters is None else round(_LOCAL_SECONDS + characters / _LOCAL_CHARACTERS_PER_SECOND, 3)
    return EstimateResponse(model=MODEL_VERSION, built_in=True, tokens=0, cost_usd=0.0, seconds=seconds)


async def _remote(request: AnalysisRequest, llm: LlmSettings, characters: int | None) -> EstimateResponse:
    if characters is None:
        return EstimateResponse(model=llm.model)
    sent, received = tokens(request, llm, characters)
    cost = await asyncio.to_thread(price, llm.model, sent, received)
    return EstimateResponse(model=llm.model, tokens=sent + received, cost_usd=cost)


def tokens(request: AnalysisRequest, llm: LlmSettings, characters: int) -> tuple[int, int]:
    """Tokens sent and received: the instructions go with every part, and with the merging of several."""
    told = sum(len(message["content"]) for message in prompts.instructions(request, ""))
    parts = min(llm.max_parts, max(1, -(-characters // llm.max_input_chars)))
    calls = parts + (parts > 1)
    text = min(characters, parts * llm.max_input_chars)
    merged = ANSWER_TOKENS * parts if parts > 1 else 0
    return (text + told * calls) // CHARACTERS_PER_TOKEN + merged, ANSWER_TOKENS * calls
