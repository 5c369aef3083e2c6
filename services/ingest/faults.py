"""Why a document, or one page of it, could not be read."""

from dataclasses import dataclass
from typing import Literal

FaultCode = Literal[
    "password_required",
    "wrong_password",
    "unsupported_encryption",
    "corrupt_document",
    "empty_document",
    "too_many_pages",
    "page_too_large",
    "invalid_file_type",
    "unreadable_page",
    "out_of_resources",
]


class DocumentFault(Exception):
    """The document cannot be read; `code` says why in a word, `message` in a sentence for a person.

    Neither holds text of the document, its path or words of a library.
    """

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(code, message)
        self.code: FaultCode = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class PageFault:
    """One page, numbered from 1, that cannot be read while the others may be."""

    number: int
    code: FaultCode
    message: str
