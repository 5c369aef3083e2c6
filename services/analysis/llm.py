"""Analysis by a language model: ask, validate, repair once, and hold every value against the document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from services.analysis import prompts
from services.analysis.chunks import Part, parts, seal
from services.analysis.computing import compute
from services.analysis.evidence import EvidenceIndex
from services.analysis.faults import AnalysisFault
from services.analysis.grounding import Grounding, ground
from services.analysis.llm_settings import LlmSettings
from services.analysis.output_schema import violation, with_evidence
from services.analysis.provider import Message, Provider
from services.analysis.reading import Document
from services.analysis.request import AnalysisRequest, AnalysisResult, TokenUsage
from services.analysis.words import stem, words

Progress = Callable[[int, int], None]
_MIN_CONFIDENCE: Final = 0.05
_SPAN: Final = 0.9


class _Run:
    """The calls of one analysis with what they used."""

    def __init__(self, settings: LlmSettings, request: AnalysisRequest) -> None:
        self.settings = settings
        self.request = request
        self.provider = Provider(settings)
        self.usage = TokenUsage()
        self.costs: list[float | None] = []
        self.model = settings.model
        self.warnings: list[str] = []
        self._slots = asyncio.Semaphore(settings.concurrency)

    async def ask(self, messages: list[Message], schema: Mapping[str, Any], *, final: bool = True) -> dict[str, Any]:
        """An answer that fits, after one repair at most; raises `invalid_model_output`."""
        async with self._slots:
            text = await self._complete(messages, schema)
            data, reason = self._read(text, schema, final)
            if reason is not None:
                text = await self._complete(prompts.repair(messages, text, reason), schema)
                data, reason = self._read(text, schema, final)
        if reason is not None:
            raise AnalysisFault("invalid_model_output", "The language model gave no answer of the required shape.")
        return data

    async def _complete(self, messages: list[Message], schema: Mapping[str, Any]) -> str:
        reply = await self.provider.complete(messages, schema)
        self.usage += reply.usage
        self.costs.append(reply.cost_usd)
        house, slash, _ = self.settings.model.partition("/")
        self.model = f"{house}/{reply.model}" if slash and "/" not in reply.model else reply.model
        return reply.text

    def _read(self, text: str, schema: Mapping[str, Any], final: bool) -> tuple[dict[str, Any], str | None]:
        data = _json_object(text)
        if data is None:
            return {}, "it is not a JSON object"
        reason = violation(data, schema)
        if reason is None and final and self.request.output_schema is not None:
            reason = violation(data["result"], self.request.output_schema)
        return data, reason

    @property
    def cost(self) -> float | None:
        """The sum, None where a call's price is unknown."""
        known = [cost for cost in self.costs if cost is not None]
        return round(sum(known), 8) if known and len(known) == len(self.costs) else None


async def analyze_with_model(
    document: Document, request: AnalysisRequest, settings: LlmSettings, on_progress: Progress
) -> AnalysisResult:
    """Analyse a document with a configured model. Raises `AnalysisFault`; its `provider_*` codes come from here."""
    run = _Run(settings, request)
    try:
        answer = await _answer(run, document, on_progress)
    finally:
        await run.provider.close()
    index = await compute(EvidenceIndex, document)
    claimed = answer.pop("evidence")
    data = answer["result"] if request.output_schema is not None else _tidied(answer, request)
    grounding = await compute(ground, data, claimed, index)
    return _result(run, data, grounding)


async def _answer(run: _Run, document: Document, on_progress: Progress) -> dict[str, Any]:
    """One call for a document that fits, else one per part and then the merging."""
    mark = seal(document)
    found = parts(document, run.settings.max_input_chars, mark)
    if document.truncated_at is not None:
        run.warnings.append(f"Pages from {document.truncated_at} on were not read: the document is too long.")
    if len(found) > run.settings.max_parts:
        run.warnings.append(f"Pages after {found[run.settings.max_parts - 1].last_page} were not read: too many parts.")
        found = found[: run.settings.max_parts]
    if len(found) == 1:
        answer = await run.ask(prompts.whole(run.request, found[0], mark), prompts.answer_schema(run.request))
        on_progress(1, 1)
        return answer
    return await _map_reduce(run, found, mark, on_progress)


async def _map_reduce(run: _Run, found: Sequence[Part], mark: str, on_progress: Progress) -> dict[str, Any]:
    own_shape = run.request.output_schema is not None
    schema = prompts.findings_schema() if own_shape else prompts.answer_schema(run.request)
    done = 0

    async def read(place: int, part: Part) -> dict[str, Any]:
        nonlocal done
        messages = prompts.part_of(run.request, part, place, len(found), mark)
        finding = await run.ask(messages, schema, final=False)
        done += 1
        on_progress(done, len(found) + 1)
        return finding

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(place, part)) for place, part in enumerate(found, start=1)]
    except* AnalysisFault as faults:
        first = faults.exceptions[0]
    else:
        answer = await _merge(run, [task.result() for task in tasks], schema, mark)
        on_progress(len(found) + 1, len(found) + 1)
        return answer
    raise first


async def _merge(run: _Run, findings: list[dict[str, Any]], schema: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """Merge findings in groups that fit one call until one call holds all that is left."""
    while len(groups := _groups(findings, run.settings.max_input_chars)) > 1:
        merged = [run.ask(prompts.merging(run.request, group, mark), schema, final=False) for group in groups]
        findings = list(await asyncio.gather(*merged))
    return await run.ask(prompts.merging(run.request, findings, mark), prompts.answer_schema(run.request))


def _groups(findings: list[dict[str, Any]], max_chars: int) -> list[list[dict[str, Any]]]:
    """Findings in runs that fit one call, two at least in each so that merging comes to an end."""
    groups: list[list[dict[str, Any]]] = [[]]
    size = 0
    for finding in findings:
        length = len(json.dumps(finding, ensure_ascii=False))
        if size + length > max_chars and len(groups[-1]) >= 2:
            groups.append([])
            size = 0
        groups[-1].append(finding)
        size += length
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2].extend(groups.pop())
    return groups


def _json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object of a reply, which may stand in a code fence or after remarks."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        data, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _tidied(answer: dict[str, Any], request: AnalysisRequest) -> dict[str, Any]:
    """Hold tags to what was asked for: no excluded words, no more than wanted."""
    banned = [stem(word) for phrase in request.exclude_tags for word in words(phrase)]

    def allowed(tag: str) -> bool:
        return not any(stem(word) in banned for word in words(tag))

    answer["tags"] = [tag for tag in dict.fromkeys(answer["tags"]) if allowed(tag)][: request.num_tags]
    if "tags_detail" in answer:
        answer["tags_detail"] = [item for item in answer["tags_detail"] if allowed(item["tag"])][: request.num_tags]
    return answer


def _result(run: _Run, data: dict[str, Any], grounding: Grounding) -> AnalysisResult:
    schema = run.request.output_schema
    if schema is not None:
        shaped = with_evidence(data, grounding.evidence, schema)
    else:
        shaped = {**data, "evidence": grounding.evidence}
        for item in shaped.get("tags_detail", []):
            item["pages"] = _pages_of(item["tag"], data, grounding)
    return AnalysisResult(
        result_data=shaped,
        confidence=round(_MIN_CONFIDENCE + _SPAN * grounding.support, 3),
        model_version=run.model,
        token_usage=run.usage,
        cost_usd=run.cost,
        prompt_sha256=prompts.prompt_sha256(run.request),
        warnings=(*run.warnings, *grounding.warnings),
    )


def _pages_of(tag: str, data: Mapping[str, Any], grounding: Grounding) -> list[int]:
    """The pages that the evidence of a tag names."""
    places = [f"tags[{place}]" for place, known in enumerate(data["tags"]) if known == tag]
    found = [item for place in places for item in grounding.evidence.get(place, []) if item["match"] != "unsupported"]
    return sorted({item["page"] for item in found})
