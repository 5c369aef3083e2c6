"""Settings of the analysis service."""

from pydantic import SecretStr

from mesh.settings import MeshSettings
from services.analysis.llm_settings import LlmSettings


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

    def provider(self) -> LlmSettings | None:
        """The configured provider, or None."""
        if not self.llm_model:
            return None
        return LlmSettings(
            model=self.llm_model,
            api_base=self.llm_api_base or None,
            api_key=self.llm_api_key.get_secret_value() or None,
            timeout_s=self.llm_timeout_seconds,
            max_attempts=self.llm_max_attempts,
        )
