"""What requests about tasks and templates must hold."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.gateway.listing import PageQuery
from services.gateway.surfaces.platform.models import (
    AnalysisOptions,
    CallbackUrl,
    FormTtlSeconds,
    Languages,
    OutputSchema,
    Password,
    TemplateName,
    TtlSeconds,
)
from services.gateway.texts import MAX_CHARACTERS
from services.gateway.validation import AsInteger, AsWholeNumber, Body, Query, Text

TaskState = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]
DEFAULT_TEMPLATE = "summary"

Description = Annotated[Text, StringConstraints(max_length=1_000)]
Instructions = Annotated[Text, StringConstraints(min_length=1, max_length=20_000)]
Model = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class TaskBody(Body):
    """A text and what to do with it."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS)]
    template: TemplateName | None = Field(default=None, description=f"Left out: {DEFAULT_TEMPLATE}.")
    options: AnalysisOptions | None = None
    callback_url: CallbackUrl | None = None
    ttl_seconds: TtlSeconds | None = None


class TaskForm(BaseModel):
    """Fields of a task beside its `file`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: TemplateName | None = Field(default=None, description=f"Left out: {DEFAULT_TEMPLATE}.")
    options: Annotated[Text, StringConstraints(max_length=65_536)] | None = Field(
        default=None, description="As JSON: what a task with a text has as its `options`."
    )
    callback_url: CallbackUrl | None = None
    languages: Languages = Field(default="eng", description="OCR languages, Tesseract codes joined by +.")
    password: Password | None = Field(default=None, description="Opens an encrypted document.")
    ttl_seconds: FormTtlSeconds | None = None


class TasksQuery(PageQuery):
    """Which tasks."""

    status: TaskState | None = None


class Variable(Body):
    """A value that whoever uses the template gives as one of `options.variables`."""

    name: VariableName
    description: Description = ""
    default: Annotated[Text, StringConstraints(max_length=20_000)] | None = None
    required: bool | None = Field(default=None, description="Left out: whether there is no default.")


class TemplateChange(Body):
    """What a template's new version holds: all of it."""

    name: TemplateName | None = Field(default=None, description="As in the path, if it is given.")
    description: Description = ""
    instructions: Instructions = Field(
        description="What to do. `{{text}}` stands for the document, `{{name}}` for a declared variable;"
        " nothing else may stand in double braces."
    )
    output_schema: OutputSchema | None = Field(
        default=None, description="JSON Schema (2020-12) of an object that `result_data` must meet; null: none."
    )
    model: Model | None = Field(default=None, description="The model to ask; null: the usual one.")
    variables: list[Variable] = Field(default=[], max_length=32)
    version: Annotated[int, Field(ge=1), AsInteger] | None = Field(
        default=None, description="Given by the server; what is sent is not looked at."
    )


class TemplateBody(TemplateChange):
    """A template to make."""

    name: TemplateName


class TemplateQuery(Query):
    """Which version of a template."""

    version: Annotated[int, Field(ge=1, le=2_147_483_647), AsWholeNumber] | None = Field(
        default=None, description="Left out: the newest."
    )
