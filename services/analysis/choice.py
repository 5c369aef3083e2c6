"""Which model an analysis asks, and with whose key.

The model is the one that the request names, else the deployment's, else the usual one of a provider for which the user
has a key. The user's own key for the model's provider goes before the deployment's, which is sent to no other provider
than the deployment's. With neither the built-in analyzer answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from services.analysis.faults import AnalysisFault
from services.analysis.llm_settings import LlmSettings
from services.analysis.provider import known_providers, registered_provider
from services.analysis.user_keys import Asker

# Some providers have the model's name in the URL: it must not lead elsewhere.
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.:@+-]*(/[A-Za-z0-9@][\w.:@+-]*)*", re.ASCII)
# These have no address of their own.
_NEED_BASE: Final = frozenset({"azure", "azure_ai", "hosted_vllm", "litellm_proxy"})


class Keys(Protocol):
    """Who opens the keys of users."""

    async def open(self, asker: Asker, providers: Sequence[str]) -> tuple[str, str]:
        """The first of these keys, with its provider; empty texts for none. Raises AnalysisFault, Unavailable."""


@dataclass(frozen=True, slots=True)
class UserModels:
    """What is asked with a user's own key: by provider, the model where nobody names one, and a server of one's own.

    `bounds` are settings whose model, address and key are of no meaning.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    bounds: LlmSettings = field(default_factory=lambda: LlmSettings(""))


class Choice:
    """Chooses for each analysis anew."""

    def __init__(self, keys: Keys, deployment: LlmSettings | None, user_models: UserModels) -> None:
        self._keys = keys
        self._own = deployment
        self._user = user_models

    async def choose(self, asker: Asker, wanted: str | None) -> LlmSettings | None:
        """Settings for the analysis, None for the built-in analyzer.

        Raises AnalysisFault (`invalid_request`, `provider_key_missing`, `provider_key_unreadable`), Unavailable.
        """
        if self._own is None:
            return await self._without_deployment(asker, wanted)
        own_provider = await _own_provider(self._own.model)
        model = await _qualified(_checked(wanted), own_provider) if wanted else self._own.model
        provider = _provider_of(model) if wanted else own_provider
        _, key = await self._keys.open(asker, [provider])
        if key:
            own_base = self._own.api_base if provider == own_provider else None
            return self._with_user_key(model, provider, key, own_base)
        if provider != own_provider:
            raise AnalysisFault("provider_key_missing", f"This needs a key for {provider}. Store one, or ask another.")
        return replace(self._own, model=model)

    async def _without_deployment(self, asker: Asker, wanted: str | None) -> LlmSettings | None:
        if wanted and "/" in wanted:
            asked = {_provider_of(wanted): wanted}
        else:
            asked = {name: f"{name}/{wanted}" if wanted else usual for name, usual in self._user.models.items()}
        provider, key = await self._keys.open(asker, list(asked))
        return self._with_user_key(_checked(asked[provider]), provider, key) if key else None

    def _with_user_key(self, model: str, provider: str, key: str, own_base: str | None = None) -> LlmSettings:
        base = own_base or self._user.bases.get(provider)
        if provider in _NEED_BASE and not base:
            raise AnalysisFault("provider_key_missing", f"This deployment names no server for {provider}.")
        return replace(self._own or self._user.bounds, model=model, api_base=base, api_key=key, key_of_user=True)


def _provider_of(model: str) -> str:
    return model.partition("/")[0]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise AnalysisFault("invalid_request", "This is not the name of a model.")
    return name


async def _own_provider(model: str) -> str:
    return _provider_of(model) if "/" in model else await asyncio.to_thread(registered_provider, model)


async def _qualified(wanted: str, own_provider: str) -> str:
    """The name with its provider before it: the deployment's, unless it names another that there is."""
    named = _provider_of(wanted) if "/" in wanted else ""
    if named and (named == own_provider or named in await asyncio.to_thread(known_providers)):
        return wanted
    return f"{own_provider}/{wanted}"
