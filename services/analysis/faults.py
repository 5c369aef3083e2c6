"""What can go wrong in an analysis, as one exception with a code."""

from __future__ import annotations


class AnalysisFault(Exception):
    """An analysis ended without a result.

    `code` is one of `provider_unavailable`, `provider_rejected_credentials`, `provider_rejected_user_key`,
    `provider_key_missing`, `provider_key_unreadable`, `provider_rejected_request`, `provider_rate_limited`,
    `provider_timeout`, `invalid_model_output`, `nothing_to_analyze`, `unknown_analysis_type`,
    `invalid_output_schema`, `output_schema_unsupported`, `invalid_request`.
    `message` is a sentence for a person and never carries document text, prompts or keys. `retryable`
    says whether the same work may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
