"""One call of a language model through litellm, with our own retries and faults.

litellm costs seconds and 160 MB to import, so that happens when the first call is made.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.request import TokenUsage

Message = dict[str, str]

_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SCHEMA_REFUSED: Final = frozenset({400, 415, 422})
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx")
# Users' keys of the analyses in hand; several of one user share litellm's clients.
_lent: Final[Counter[str]] = Counter()
# Servers that take no key still want the field filled.
_NO_KEY: Final = "none"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; `cost_usd` is None where its price is unknown."""

    text: str
    model: str
    usage: TokenUsage
    cost_usd: float | None


class Provider:
    """A configured model. One object serves one analysis, and remembers what its server refused; close it then."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._takes_schema: bool | None = None
        if settings.api_key and settings.key_of_user:
            _lent[settings.api_key] += 1

    async def complete(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Reply:
        """Ask for JSON of this schema; the reply is not validated here.

        Tries again with growing pauses after 408, 429, 5xx and lost connections, and honours Retry-After.
        """
        litellm = await asyncio.to_thread(_load)
        if self._takes_schema is None:
            self._takes_schema = _may_take_schema(litellm, self._settings)
        fault: AnalysisFault | None = None
        attempt = 0
        while attempt < self._settings.max_attempts:
            attempt += 1
            try:
                return await self._call(litellm, messages, schema)
            except Exception as error:  # litellm raises classes of several libraries; their status code is what counts
                status, pause = _status(error), _pause(error, attempt, self._settings)
            if status in _SCHEMA_REFUSED and self._takes_schema:
                self._takes_schema = False
                attempt -= 1
                continue
            fault = _fault(status, pause, self._settings.key_of_user)
            if not fault.retryable:
                break
            if attempt < self._settings.max_attempts:
                await asyncio.sleep(min(pause, self._settings.max_backoff_s))
        # Raised here and not above, so that the provider's words, which may hold a key, are not chained to it.
        raise fault or AnalysisFault("provider_unavailable", "The language model could not be asked.", retryable=True)

    async def close(self) -> None:
        """Ends the use of a user's key: litellm would keep clients, each with its key, for an hour."""
        key = self._settings.api_key
        if key is None or not self._settings.key_of_user:
            return
        _lent[key] -= 1
        if not _lent[key]:
            del _lent[key]
            for client in _evict(key):
                await client.close()

    async def _call(self, litellm: Any, messages: Sequence[Message], schema: Mapping[str, Any]) -> Reply:
        settings = self._settings
        options: dict[str, Any] = {"temperature": settings.temperature} if settings.temperature is not None else {}
        if self._takes_schema:
            wrapped = {"name": "analysis", "schema": dict(schema), "strict": False}
            options["response_format"] = {"type": "json_schema", "json_schema": wrapped}
        async with asyncio.timeout(settings.timeout_s + 1.0):
            response = await litellm.acompletion(
                model=settings.model,
                messages=list(messages),
                api_base=settings.api_base,
                api_key=settings.api_key or (_NO_KEY if settings.api_base else None),
                timeout=settings.timeout_s,
                max_tokens=settings.max_output_tokens,
                num_retries=0,
                max_retries=0,
                drop_params=True,
                **options,
            )
        return _reply(response, settings.model)


def _evict(key: str) -> list[Any]:
    """Takes the clients with this key out of litellm's memory."""
    litellm = sys.modules.get("litellm")
    if litellm is None:
        return []
    kept = litellm.in_memory_llm_clients_cache
    found = {name: client for name, client in kept.cache_dict.items() if getattr(client, "api_key", None) == key}
    for name in found:
        kept.delete_cache(name)
    return list(found.values())


def known_providers() -> frozenset[str]:
    """Names that litellm knows for providers."""
    return frozenset(str(getattr(name, "value", name)) for name in _load().provider_list)


def registered_provider(model: str) -> str:
    """The provider that litellm knows a model without a provider in its name to be of; empty for none."""
    litellm = _load()
    try:
        return str(litellm.get_llm_provider(model)[1])
    except litellm.BadRequestError:
        return ""


def price(model: str, sent: int, received: int) -> float | None:
    """US dollars for so many tokens, by litellm's table; None for a model that it does not know."""
    litellm = _load()
    try:
        costs = litellm.cost_per_token(model=model, prompt_tokens=sent, completion_tokens=received)
    except Exception:  # it raises a plain one
        return None
    return round(float(sum(costs)), 6)


def _load() -> Any:
    """Import litellm without its start-up fetch, its reports home and its log lines with contents."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm


def _may_take_schema(litellm: Any, settings: LlmSettings) -> bool:
    """Whether to try a JSON schema: a model known to take one, or a server of one's own, which may."""
    return bool(settings.api_base) or bool(litellm.supports_response_schema(model=settings.model))


def _reply(response: Any, model: str) -> Reply:
    usage = getattr(response, "usage", None)
    tokens = TokenUsage(int(getattr(usage, "prompt_tokens", 0) or 0), int(getattr(usage, "completion_tokens", 0) or 0))
    cost = (getattr(response, "_hidden_params", None) or {}).get("response_cost")
    text = response.choices[0].message.content or ""
    return Reply(text, str(response.model or model), tokens, float(cost) if cost else None)


def _status(error: Exception) -> int:
    """The HTTP status of a provider's failure, 408 for a timeout, 503 for one without a status."""
    if isinstance(error, TimeoutError) or type(error).__name__ == "Timeout":
        return 408
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else 503


def _pause(error: Exception, attempt: int, settings: LlmSettings) -> float:
    """Seconds until the next try: Retry-After where given, else doubling from `backoff_s` with full jitter."""
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        ceiling = min(settings.max_backoff_s, settings.backoff_s * 2.0 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards no secret


def _fault(status: int, pause: float, key_of_user: bool) -> AnalysisFault:
    if status in (401, 403) and key_of_user:
        message = "The language model's provider rejected the API key that you stored. Replace or remove it."
        return AnalysisFault("provider_rejected_user_key", message)
    if status in (401, 403):
        return AnalysisFault("provider_rejected_credentials", "The language model's provider rejected the credentials.")
    if status == 429:
        message = f"The language model's provider limits the rate; it may answer in {pause:.0f} seconds."
        return AnalysisFault("provider_rate_limited", message, retryable=True)
    if status == 408:
        return AnalysisFault("provider_timeout", "The language model did not answer in time.", retryable=True)
    if status in _RETRIED or status >= 500:
        return AnalysisFault(
            "provider_unavailable", f"The language model is not available (status {status}).", retryable=True
        )
    message = f"The language model's provider refused the request (status {status})."
    return AnalysisFault("provider_rejected_request", message)
