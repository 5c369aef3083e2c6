"""Which language model to ask, where, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """Settings of one provider.

    `model` is a litellm name ("anthropic/claude-…", "openai/<name>" with `api_base` for a local server).
    `timeout_s` bounds one call, `max_attempts` the tries of one call. `max_input_chars` is how much document
    text goes into one call; a longer document is read in parts, `max_parts` at most. `backoff_s` is the first
    pause between tries, `max_backoff_s` the longest, also for a `Retry-After`. `key_of_user` says that the key
    is not the deployment's.
    """

    model: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 120.0
    max_input_chars: int = 48_000
    max_output_tokens: int = 4_096
    max_attempts: int = 4
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    max_parts: int = 64
    concurrency: int = 4
    temperature: float | None = 0.0
    key_of_user: bool = False
