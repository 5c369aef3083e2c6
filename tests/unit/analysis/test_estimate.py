"""What an analysis would take: by the length of the text, the model, and its listed price."""

from collections.abc import Sequence

import pytest
from google.protobuf.struct_pb2 import Struct

from pagemesh.analysis.v1.estimate_pb2 import EstimateRequest
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from services.analysis.choice import Choice, UserModels
from services.analysis.estimate import ANSWER_TOKENS, Estimates, tokens
from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.request import AnalysisRequest
from services.analysis.user_keys import Asker

ASKER = Asker("organization", "user")
SUMMARY = AnalysisConfig(analysis_type="summary")


class NoKeys:
    """Nobody has a key."""

    async def open(self, asker: Asker, providers: Sequence[str]) -> tuple[str, str]:
        return "", ""


def estimates(model: str = "") -> Estimates:
    deployment = LlmSettings(model, api_key="of the deployment") if model else None
    return Estimates(Choice(NoKeys(), deployment, UserModels()))


async def test_the_built_in_analyzer_costs_time_alone() -> None:
    """And that grows with the text; before there is one it is not known."""
    short, long = [await estimates().of(EstimateRequest(config=SUMMARY, characters=n), ASKER) for n in (1_000, 10**7)]
    unread = await estimates().of(EstimateRequest(config=SUMMARY), ASKER)
    assert (True, 0, 0.0) == (short.built_in, short.tokens, short.cost_usd)
    assert 0 < short.seconds < long.seconds < 60
    assert (True, False) == (unread.HasField("tokens"), unread.HasField("seconds"))


async def test_a_model_costs_what_is_listed() -> None:
    """In dollars, growing with the text; its time is not known."""
    asked = [EstimateRequest(config=SUMMARY, characters=n) for n in (4_000, 400_000)]
    short, long = [await estimates("openai/gpt-4o-mini").of(one, ASKER) for one in asked]
    assert ("openai/gpt-4o-mini", False, False) == (short.model, short.built_in, short.HasField("seconds"))
    assert 0 < short.cost_usd < long.cost_usd < 1
    assert 1_000 < short.tokens < 4_000 < 100_000 < long.tokens


async def test_a_model_without_a_listed_price_has_no_cost() -> None:
    """Tokens are known all the same, until there is no text."""
    own = estimates("openai/a-model-of-our-own")
    known = await own.of(EstimateRequest(config=SUMMARY, characters=4_000), ASKER)
    unread = await own.of(EstimateRequest(config=SUMMARY), ASKER)
    assert (True, False) == (known.HasField("tokens"), known.HasField("cost_usd"))
    assert (False, False) == (unread.HasField("tokens"), unread.HasField("cost_usd"))


def test_a_long_document_is_sent_in_parts() -> None:
    """Each with the instructions, and merged by one more call; what is beyond the most parts is not sent."""
    llm = LlmSettings("openai/any", max_input_chars=1_000, max_parts=4)
    request = AnalysisRequest("summary")
    (one_in, one_out), (two_in, two_out) = tokens(request, llm, 1_000), tokens(request, llm, 2_000)
    assert (ANSWER_TOKENS, 3 * ANSWER_TOKENS) == (one_out, two_out)
    assert 3 * (one_in - 250) + 500 + 2 * ANSWER_TOKENS == pytest.approx(two_in, abs=3)
    assert tokens(request, llm, 4_000) == tokens(request, llm, 4_000_000)


@pytest.mark.parametrize(
    ("config", "characters", "code"),
    [
        (AnalysisConfig(analysis_type="poetry"), 10, "unknown_analysis_type"),
        (AnalysisConfig(analysis_type="custom"), 10, "invalid_request"),
        (SUMMARY, 0, "nothing_to_analyze"),
    ],
)
async def test_what_would_be_refused(config: AnalysisConfig, characters: int, code: str) -> None:
    """With the code that the analysis would fail with."""
    with pytest.raises(AnalysisFault) as refused:
        await estimates().of(EstimateRequest(config=config, characters=characters), ASKER)
    assert code == refused.value.code


async def test_a_bad_schema_is_refused() -> None:
    """Before any model is chosen."""
    options = Struct()
    options.update({"output_schema": {"type": "no type"}})
    config = AnalysisConfig(analysis_type="summary", options=options)
    with pytest.raises(AnalysisFault) as refused:
        await estimates().of(EstimateRequest(config=config, characters=10), ASKER)
    assert "invalid_output_schema" == refused.value.code
