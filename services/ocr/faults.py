"""What can be wrong with one page, as a code that crosses process borders."""

from __future__ import annotations

from typing import Literal

Code = Literal["unreadable_page", "page_too_large", "language_missing", "password_required", "ocr_failed"]


class PageFault(Exception):
    """One page cannot be read; `code` is for programs, `message` is a sentence for a person."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code: Code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
