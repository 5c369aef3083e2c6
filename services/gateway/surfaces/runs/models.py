"""What requests about runs must hold."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict, JsonValue

from mesh.addresses import LONGEST_URL
from services.gateway.listing import PageQuery
from services.gateway.surfaces.platform.models import (
    NEED_PROMPT,
    AnalysisType,
    Languages,
    Mode,
    Password,
    Prompt,
    TtlSeconds,
    there,
)
from services.gateway.texts import MAX_CHARACTERS
from services.gateway.validation import AsInteger, Body, Text

RunState = Literal["pending", "processing", "completed", "failed", "cancelled"]

Url = Annotated[Text, StringConstraints(min_length=1, max_length=LONGEST_URL)]
S3Uri = Annotated[str, StringConstraints(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\x7f]{1,1024}$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]


_SOME_SOURCE: list[JsonValue] = [there(name) for name in ("url", "s3", "document_id", "text")]


class RunSource(Body):
    """What a run begins with; exactly one."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _SOME_SOURCE, "maxProperties": 1})

    url: Url | None = Field(default=None, description="An http or https URL of a PDF, PNG, JPEG or TIFF.")
    s3: S3Uri | None = Field(default=None, description="`s3://bucket/key`, where this installation allows it.")
    document_id: Uuid | None = Field(default=None, description="A document that is there.")
    text: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_CHARACTERS)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in self.model_fields_set if getattr(self, name) is not None]
        if len(given) != 1 or len(self.model_fields_set) != 1:
            raise ValueError("Exactly one of url, s3, document_id and text")
        return self


_PROMPT_WHERE_NEEDED: JsonDict = {
    "if": there("analyses", contains={"enum": list(NEED_PROMPT)}),
    "then": there("prompt"),
}


class RunConfig(Body):
    """What to do. How to read matters for nothing of a document that is there."""

    model_config = ConfigDict(json_schema_extra=_PROMPT_WHERE_NEEDED)

    mode: Mode = "mixed"
    analyses: list[AnalysisType] = Field(default=[], max_length=7, json_schema_extra={"uniqueItems": True})
    prompt: Prompt | None = Field(default=None, description="For question_answering and custom, which need it.")
    languages: Languages = Field(default="eng", description="OCR languages, Tesseract codes joined by +.")
    priority: Annotated[int, Field(ge=0, le=9), AsInteger] = 5
    password: Password | None = Field(default=None, description="Opens an encrypted document.")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.analyses)) < len(self.analyses):
            raise ValueError("Each analysis once")
        return self


CallbackUrl = Annotated[Text, StringConstraints(min_length=1, max_length=LONGEST_URL)]


class RunBody(Body):
    """A run to start."""

    source: RunSource
    config: RunConfig = RunConfig()
    callback_url: CallbackUrl | None = None
    ttl_seconds: TtlSeconds | None = None


class RunForm(BaseModel):
    """Fields of a run's form beside its `file`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str | None = Field(default=None, description="JSON, as `config` of a run without a file.")
    callback_url: CallbackUrl | None = None
    ttl_seconds: TtlSeconds | None = None


class RunsQuery(PageQuery):
    """Which runs."""

    state: RunState | None = None
