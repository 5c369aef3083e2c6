"""Settings of the analysis service."""

from dataclasses import replace

from pydantic import Field, SecretStr, field_validator

from mesh.settings import MeshSettings
from services.analysis.choice import UserModels
from services.analysis.llm_settings import LlmSettings

USER_KEY_MODELS = {
    "anthropic": "anthropic/claude-sonnet-5",
    "openai": "openai/gpt-5-mini",
    "gemini": "gemini/gemini-flash-latest",
    "mistral": "mistral/mistral-medium-latest",
    "groq": "groq/openai/gpt-oss-120b",
    "xai": "xai/grok-4.20",
}
"""The first of these for which a user has a key, in this order."""


class AnalysisSettings(MeshSettings):
    """Which language model to ask; without one the built-in analyzer answers."""

    llm_model: str = ""
    """A litellm name, `anthropic/…` or `openai/…`; empty for the built-in analyzer."""
    llm_api_base: str = ""
    """URL of an OpenAI-compatible server, for models of one's own."""
    llm_api_key: SecretStr = SecretStr("")
    llm_timeout_seconds: float = 120.0
    llm_max_attempts: int = 4
    analysis_slots: int = 4
    """Analyses at a time."""
    user_key_models: dict[str, str] = Field(default_factory=dict)
    """By provider, the litellm name of the model that is asked with a user's own key when neither the request nor
    the deployment names one. What is left out stays as in `USER_KEY_MODELS`; an empty name takes a provider away."""
    user_key_bases: dict[str, str] = Field(default_factory=dict)
    """By provider, URL of the server that users' own keys go to, instead of the provider's own."""

    @field_validator("user_key_models")
    @classmethod
    def _complete(cls, given: dict[str, str]) -> dict[str, str]:
        models = {provider: model for provider, model in (USER_KEY_MODELS | given).items() if model}
        if wrong := [provider for provider, model in models.items() if not model.startswith(f"{provider}/")]:
            raise ValueError(f"the model must begin with its provider's name: {wrong[0]}/…")
        return models

    def provider(self) -> LlmSettings | None:
        """The configured provider, or None."""
        if not self.llm_model:
            return None
        return replace(
            self._bounds(),
            model=self.llm_model,
            api_base=self.llm_api_base or None,
            api_key=self.llm_api_key.get_secret_value() or None,
        )

    def user_models(self) -> UserModels:
        """What is asked with users' own keys."""
        return UserModels(self.user_key_models, self.user_key_bases, self._bounds())

    def _bounds(self) -> LlmSettings:
        return LlmSettings("", timeout_s=self.llm_timeout_seconds, max_attempts=self.llm_max_attempts)
