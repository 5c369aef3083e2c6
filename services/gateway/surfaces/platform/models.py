"""What requests to the platform API must hold."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from services.gateway.listing import PageQuery
from services.gateway.validation import Body, Query, Text

AnalysisType = Literal[
    "summary",
    "financial_analysis",
    "key_value_extraction",
    "classification",
    "tagging",
    "question_answering",
    "custom",
]
NEED_PROMPT = ("question_answering", "custom")
DocumentStatus = Literal["uploaded", "processing", "completed", "failed"]
JobStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
JobKind = Literal["text_extraction", "analysis"]
Mode = Literal["text", "table", "mixed"]

Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]{1,64}@[^@\s\x00.]+(\.[^@\s\x00.]+)+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Password = Annotated[Text, StringConstraints(max_length=1024)]
Prompt = Annotated[Text, StringConstraints(min_length=1, max_length=20_000)]
Languages = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[a-z]{3}(_[A-Za-z0-9]{1,16})*(\+[a-z]{3}(_[A-Za-z0-9]{1,16})*){0,9}$"),
]

_DEEPEST_OPTIONS = 32


class RegisterBody(Body):
    """A new account."""

    email: Email
    password: Annotated[Password, StringConstraints(min_length=10)]
    full_name: Name
    organization_name: Name | None = None


class LoginBody(Body):
    """Credentials of an account."""

    email: Annotated[Text, StringConstraints(max_length=254)]
    password: Password


class RefreshBody(Body):
    """The refresh token that was given last."""

    refresh_token: Annotated[Text, StringConstraints(min_length=1, max_length=4096)]


class AnalysisOptions(Body):
    """How to analyse."""

    extract_tables: bool | None = None
    summarize: bool | None = None
    model: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None
    output_schema: dict[str, Any] | None = Field(default=None, description="JSON Schema that `result_data` must meet.")

    @field_validator("output_schema")
    @classmethod
    def _storable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and (_depth(value) > _DEEPEST_OPTIONS or b"\\u0000" in orjson.dumps(value)):
            raise ValueError(f"Nested deeper than {_DEEPEST_OPTIONS} levels, or with U+0000 in it")
        return value


class AnalyzeBody(Body):
    """An analysis to make."""

    analysis_type: AnalysisType
    prompt: Prompt | None = Field(default=None, description="Required for question_answering and custom.")
    options: AnalysisOptions | None = None


class UploadForm(BaseModel):
    """Fields of an upload beside its `file`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = "mixed"
    analysis_type: AnalysisType | None = None
    prompt: Prompt | None = Field(default=None, description="Without an `analysis_type`, asks for a custom analysis.")
    languages: Languages = Field(default="eng", description="OCR languages, Tesseract codes joined by +.")
    priority: int = Field(default=5, ge=0, le=9)
    password: Password | None = Field(default=None, description="Opens an encrypted document.")


class DocumentsQuery(PageQuery):
    """Which documents."""

    status: DocumentStatus | None = None
    search: Annotated[Text, StringConstraints(max_length=500)] = Field(default="", description="Part of a file name.")
    sort: Literal["created_at", "filename", "file_size"] = "created_at"
    order: Literal["asc", "desc"] = "desc"


class PagesQuery(PageQuery):
    """Which pages."""

    blocks: bool = Field(default=False, description="With lines, words and their bounding boxes.")


class JobsQuery(PageQuery):
    """Which jobs."""

    status: JobStatus | None = None
    job_type: JobKind | None = None
    document_id: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")] | None
    ) = None


class AnalysesQuery(Query):
    """Which analyses."""

    analysis_type: AnalysisType | None = None


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
