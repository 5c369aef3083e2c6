"""What requests to the platform API must hold."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError

from mesh import json_schema
from mesh.addresses import LONGEST_URL
from mesh.streams import LONGEST_ZERO_LOG_SECONDS
from services.gateway.listing import PageQuery
from services.gateway.validation import AsInteger, AsWholeNumber, Body, Day, Flag, LooseQuery, Query, Text, WholeNumber

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
JobKind = Literal["text_extraction", "analysis", "tagging", "text_task"]
Mode = Literal["text", "table", "mixed"]
Role = Literal["user", "admin"]
Scope = Literal[
    "documents.read",
    "documents.write",
    "files.read",
    "files.write",
    "enrichment.read",
    "enrichment.write",
    "jobs.read",
    "usage.read",
]

_ADDRESS = r"^[^@\s\x00]{1,64}@[^@\s\x00.]{1,63}(\.[^@\s\x00.]{1,63})+$"
Email = Annotated[str, StringConstraints(max_length=254, pattern=_ADDRESS)]
_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
# Something to be seen, and no control characters.
_NAME = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NAME)]
Password = Annotated[Text, StringConstraints(max_length=1024)]
NewPassword = Annotated[Text, StringConstraints(min_length=10, max_length=256)]
CallbackUrl = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    Field(description="Told when the job has ended, by a signed POST (Standard Webhooks); http or https."),
]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=_NOT_BLANK)]
VariableName = Annotated[str, StringConstraints(max_length=64)]
VariableText = Annotated[Text, StringConstraints(max_length=20_000)]
Languages = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[a-z]{3}(_[A-Za-z0-9]{1,16})*(\+[a-z]{3}(_[A-Za-z0-9]{1,16})*){0,9}$"),
]
_TTL = Field(
    ge=1,
    le=LONGEST_ZERO_LOG_SECONDS,
    description="With `X-Zero-Log: true`: how long it is kept, 60 at the least; also as `X-Zero-Log-TTL`.",
)
TtlSeconds = Annotated[int, _TTL, AsInteger]
FormTtlSeconds = Annotated[int, _TTL, AsWholeNumber]

_KEY = re.compile(r"[\x21-\x7e]{8,1024}(?<!\*\*\*)")  # not what is shown of one
_KEY_SCHEMA: JsonDict = {"minLength": 8, "maxLength": 1024, "pattern": r"^[\x21-\x7e]+$"}


def _check_key(key: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(key.get_secret_value()):
        raise PydanticCustomError(
            "key", "A key has 8 to 1024 printable ASCII characters, no blanks, and no stars at its end"
        )
    return key


def _usable(schema: dict[str, Any]) -> dict[str, Any]:
    json_schema.check(schema)
    if b"\\u0000" in orjson.dumps(schema):
        raise ValueError("With U+0000 in it")
    return schema


_DAYS: JsonDict = {"pattern": r"^(19[7-9][0-9]|[2-6][0-9]{3})-[0-9]{2}-[0-9]{2}$"}
StorableDay = Annotated[Day, Field(json_schema_extra=_DAYS), AfterValidator(lambda day: _in_range(day))]

OutputSchema = Annotated[dict[str, Any], AfterValidator(_usable)]
TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

ProviderKey = Annotated[SecretStr, Field(json_schema_extra=_KEY_SCHEMA), AfterValidator(_check_key)]

D = TypeVar("D", bound=date)


_REGISTRATION: JsonDict = {
    "examples": [{"email": "ada@example.org", "password": "correct-horse-battery", "full_name": "Ada Lovelace"}]
}


class RegisterBody(Body):
    """A new account."""

    model_config = ConfigDict(json_schema_extra=_REGISTRATION)

    email: Email
    password: NewPassword
    full_name: Name
    organization_name: Name | None = None


class LoginBody(Body):
    """Credentials of an account."""

    email: Annotated[Text, StringConstraints(max_length=254)]
    password: Password


class BeginQuery(Query):
    """How to begin a sign-in."""

    code_challenge: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = Field(
        default=None,
        description="Base64url SHA-256 of a secret that the client keeps (RFC 7636, S256): only who shows the secret as"
        " `code_verifier` can finish. Left out: whoever has the state can.",
    )


class FinishQuery(LooseQuery):
    """What the provider sent back; with it comes what only some providers send (RFC 6749 section 4.1.2)."""

    code: str = Field(default="", description="As the provider sent it back.")
    state: str = Field(default="", description="As the provider sent it back; good once, for ten minutes.")
    code_verifier: str = Field(default="", description="The secret behind the `code_challenge` that it began with.")


class RefreshBody(Body):
    """The refresh token that was given last."""

    refresh_token: Annotated[Text, StringConstraints(min_length=1, max_length=4096)]


class PreferencesBody(Body):
    """What a person chooses; what is left out stays."""

    theme: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,32}$")] | None = None
    notifications: bool | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")] | None = None


class MeBody(Body):
    """What to change of the caller's account; what is left out stays."""

    full_name: Name | None = None
    preferences: PreferencesBody | None = None


class OrganizationSettingsBody(Body):
    """What an organization chooses; what is left out stays."""

    allow_sharing: bool | None = None
    max_file_size_mb: Annotated[int, Field(ge=1, le=500), AsInteger] | None = None
    retention_days: Annotated[int, Field(ge=1, le=3_650), AsInteger] | None = None
    zero_log: bool | None = None


class OrganizationBody(Body):
    """What to change of the caller's organization; what is left out stays."""

    name: Name | None = None
    settings: OrganizationSettingsBody | None = None


class InviteBody(Body):
    """Whom to invite."""

    email: Email
    role: Role = "user"


class MemberBody(Body):
    """What to change of a member; what is left out stays."""

    role: Role | None = None
    is_active: bool | None = None


class AcceptBody(Body):
    """Accepts an invitation."""

    token: Annotated[Text, StringConstraints(min_length=1, max_length=4096)]
    password: NewPassword
    full_name: Name


_API_KEY: JsonDict = {"examples": [{"name": "nightly import", "scopes": ["documents.write", "jobs.read"]}]}


class ApiKeyBody(Body):
    """An API key to make."""

    model_config = ConfigDict(json_schema_extra=_API_KEY)

    name: Name
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="What the key is for; left out: whatever its owner may do.",
    )
    expires_at: AwareDatetime | None = Field(default=None, description="Left out: never.")

    @field_validator("expires_at")
    @classmethod
    def _storable(cls, value: datetime | None) -> datetime | None:
        return _in_range(value)


class SecretBody(Body):
    """A body that no message of an error repeats."""

    model_config = ConfigDict(hide_input_in_errors=True)


class AnthropicKeyBody(SecretBody):
    """The caller's own key for Anthropic."""

    anthropic_api_key: ProviderKey | None = Field(description="null erases the key that is stored.")


class ProviderKeyBody(SecretBody):
    """The caller's own key for a provider of language models."""

    api_key: ProviderKey | None = Field(description="null erases the key that is stored.")


class ClientBody(Body):
    """An OAuth client to make."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=8, description="The most that its tokens can be for.")


class AnalysisOptions(Body):
    """How to analyse."""

    extract_tables: bool | None = None
    summarize: bool | None = None
    model: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None
    output_schema: OutputSchema | None = Field(default=None, description="JSON Schema that `result_data` must meet.")
    num_tags: Annotated[int, Field(ge=1, le=50), AsInteger] | None = Field(
        default=None, description="How many tags at most."
    )
    exclude_tags: list[Annotated[Text, StringConstraints(max_length=200)]] | None = Field(default=None, max_length=100)
    variables: dict[VariableName, VariableText | bool | int | float] | None = Field(
        default=None, max_length=32, description="Values of the template's variables."
    )


def there(field: str, **limits: JsonValue) -> JsonDict:
    """The schema of an object that has the field, not null."""
    return {"properties": {field: {"not": {"type": "null"}, **limits}}, "required": [field]}


# What a model cannot say of two fields: JSON Schema 2020-12, section 10.2.
_KINDS_WITHOUT_PROMPT = [kind for kind in get_args(AnalysisType) if kind not in NEED_PROMPT]
_SOME_ANALYSIS: JsonDict = {
    "allOf": [
        {"anyOf": [there("analysis_type"), there("template")]},
        {
            "anyOf": [
                {"properties": {"analysis_type": {"enum": [None, *_KINDS_WITHOUT_PROMPT]}}},
                there("prompt"),
                there("template"),
            ]
        },
    ],
    "examples": [
        {"analysis_type": "summary"},
        {"analysis_type": "question_answering", "prompt": "What was the revenue?"},
    ],
}


class AnalyzeBody(Body):
    """An analysis to make."""

    model_config = ConfigDict(json_schema_extra=_SOME_ANALYSIS)

    analysis_type: AnalysisType | None = Field(default=None, description="Required unless a template is named.")
    prompt: Prompt | None = Field(
        default=None, description="Required for question_answering and custom, unless a template is named."
    )
    options: AnalysisOptions | None = None
    template: TemplateName | None = Field(default=None, description="The template by which to make it.")
    callback_url: CallbackUrl | None = None


class UploadForm(BaseModel):
    """Fields of an upload beside its `file`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = "mixed"
    analysis_type: AnalysisType | None = None
    prompt: Prompt | None = Field(default=None, description="Without an `analysis_type`, asks for a custom analysis.")
    template: TemplateName | None = Field(default=None, description="The template by which to analyse.")
    languages: Languages = Field(default="eng", description="OCR languages, Tesseract codes joined by +.")
    priority: WholeNumber = Field(default=5, ge=0, le=9)
    password: Password | None = Field(default=None, description="Opens an encrypted document.")
    callback_url: CallbackUrl | None = None
    ttl_seconds: FormTtlSeconds | None = None


class DocumentsQuery(PageQuery):
    """Which documents."""

    status: DocumentStatus | None = None
    search: Annotated[Text, StringConstraints(max_length=500)] = Field(
        default="",
        description="Part of a file name; with `search_in=content` words that a page must have, in any form: "
        '`"a phrase"`, `or` and `-without` mean what they mean to search engines. '
        "Pages are found as soon as they are read.",
    )
    search_in: Literal["name", "content"] = "name"
    sort: Literal["created_at", "filename", "file_size"] | None = Field(
        default=None, description="`created_at` unless said; when content is searched, by relevance unless said."
    )
    order: Literal["asc", "desc"] = "desc"


class PagesQuery(PageQuery):
    """Which pages."""

    blocks: Flag = Field(default=False, description="With lines, words and their bounding boxes.")


class JobsQuery(PageQuery):
    """Which jobs."""

    status: JobStatus | None = None
    job_type: JobKind | None = None
    document_id: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")] | None
    ) = None


class UsageQuery(Query):
    """Which days."""

    start_date: StorableDay | None = Field(default=None, description="First day, UTC; the month's first without one.")
    end_date: StorableDay | None = Field(default=None, description="Last day, UTC; the last of that month without.")


class AnalysesQuery(Query):
    """Which analyses."""

    analysis_type: AnalysisType | None = None


def _in_range(value: D | None) -> D | None:
    if value is not None and not 1970 <= value.year < 7000:
        raise ValueError("Between 1970 and 6999")
    return value
