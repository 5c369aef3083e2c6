"""What answers of the platform API hold; rendering is checked against these, and the OpenAPI document shows them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from services.gateway.surfaces.platform.models import DocumentStatus, JobKind, JobStatus, Mode

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class Problem(TypedDict):
    """Why a request failed."""

    error: str
    message: str
    details: NotRequired[dict[str, str]]
    retry_after: NotRequired[Annotated[int, Field(description="Seconds; with 429 alone.")]]


class User(TypedDict):
    """An account."""

    id: Uuid
    email: str
    full_name: str
    organization_id: Uuid
    organization_name: str
    role: Literal["user", "admin"]
    tier: Literal["free", "pro", "enterprise"]
    is_active: bool
    last_login: Time | None
    created_at: Time


class Preferences(TypedDict):
    """What a person chose."""

    theme: str
    notifications: bool
    language: str


class Me(User):
    """The caller's account; `anthropic_api_key` is masked, null: there is none."""

    anthropic_api_key: str | None
    is_verified: bool
    preferences: Preferences
    updated_at: Time


class Tokens(TypedDict):
    """A session's tokens; `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int


class Session(Tokens):
    """A new session."""

    user: User


class OrganizationSettings(TypedDict):
    """What an organization can choose."""

    allow_sharing: bool
    max_file_size_mb: int
    retention_days: int
    zero_log: bool


class Organization(TypedDict):
    """A tenant."""

    id: Uuid
    name: str
    tier: Literal["free", "pro", "enterprise"]
    settings: OrganizationSettings
    member_count: int
    document_count: int
    is_active: bool
    created_at: Time
    updated_at: Time


class MemberList(TypedDict):
    """Accounts of an organization, oldest first."""

    items: list[User]
    total: int
    page: int
    per_page: int
    pages: int


class Invitation(TypedDict):
    """Who may join; `token` is shown once."""

    id: Uuid
    email: str
    role: Literal["user", "admin"]
    token: str
    created_at: Time
    expires_at: Time


class Period(TypedDict):
    """Whole days, UTC, both included."""

    start: Annotated[str, Field(json_schema_extra={"format": "date"})]
    end: Annotated[str, Field(json_schema_extra={"format": "date"})]


class UsageFigures(TypedDict):
    """What was used; `storage_bytes` is what was stored at the period's end."""

    documents_processed: int
    pages_processed: int
    api_calls: int
    tokens_used: int
    storage_bytes: int


class PlanLimits(TypedDict):
    """What the plan allows in a month; `storage_bytes` at any time."""

    documents_per_month: int
    pages_per_month: int
    api_calls_per_month: int
    storage_bytes: int


class PercentageUsed(TypedDict):
    """What was used of what the plan allows in a month, in percent."""

    documents: float
    pages: float
    api_calls: float
    storage: float


class Usage(TypedDict):
    """What an organization has used."""

    period: Period
    usage: UsageFigures
    limits: PlanLimits
    percentage_used: PercentageUsed


class ApiKey(TypedDict):
    """An API key without the key itself; `scopes` null: whatever its owner may do; `last_used` some minutes old."""

    id: Uuid
    name: str
    prefix: str
    scopes: list[str] | None
    created_at: Time
    expires_at: Time | None
    last_used: Time | None


class NewApiKey(ApiKey):
    """A new API key."""

    key: str


class ApiKeyList(TypedDict):
    """API keys, newest first."""

    items: list[ApiKey]
    total: int
    page: int
    per_page: int
    pages: int


class StoredProviderKey(TypedDict):
    """What was stored; `masked_key` shows how keys of its kind begin, null: there is none now."""

    message: str
    masked_key: str | None


class ProviderKey(TypedDict):
    """The caller's own key for a provider of language models, without the key itself."""

    provider: str
    masked_key: str
    created_at: Time
    updated_at: Time


class ProviderKeyList(TypedDict):
    """The caller's own provider keys, in alphabetical order."""

    items: list[ProviderKey]
    total: int
    page: int
    per_page: int
    pages: int


class OAuthClient(TypedDict):
    """An OAuth client without its secret."""

    id: Uuid
    client_id: str
    name: str
    scopes: list[str]
    created_at: Time


class NewClient(OAuthClient):
    """A new OAuth client."""

    client_secret: str


class RotatedClient(NewClient):
    """An OAuth client with another secret."""

    previous_secret_expires_at: Time


class ClientList(TypedDict):
    """OAuth clients, newest first."""

    items: list[OAuthClient]
    total: int
    page: int
    per_page: int
    pages: int


class Document(TypedDict):
    """An uploaded document; `file_size` in bytes."""

    id: Uuid
    filename: str
    original_filename: str
    file_size: int
    mime_type: str
    status: DocumentStatus
    page_count: int | None
    metadata: dict[str, str]
    created_at: Time
    updated_at: Time


class PageMatch(TypedDict):
    """A page that has the words of a search, and some of its text around them."""

    page: int
    snippet: str


class FoundDocument(Document):
    """A document of a list; `matches` has its first three such pages when content was searched."""

    matches: NotRequired[list[PageMatch]]


class DocumentJob(TypedDict):
    """A job of a document, in short."""

    id: Uuid
    job_type: JobKind
    status: JobStatus
    progress: int
    completed_at: Time | None


class DocumentDetail(Document):
    """A document with its jobs."""

    sha256: str
    storage_uri: str
    gcs_path: str | None
    processing_jobs: list[DocumentJob]


class Uploaded(TypedDict):
    """A document that was accepted."""

    id: Uuid
    filename: str
    original_filename: str
    file_size: int
    mime_type: str
    status: Literal["uploaded"]
    page_count: None
    created_at: Time
    job_id: Uuid


class Box(TypedDict):
    """A rectangle in points from the page's upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class Word(TypedDict):
    """A word; `confidence` 0 to 1, null for stored text."""

    text: str
    bbox: Box
    confidence: float | None


class Line(TypedDict):
    """A line of text."""

    text: str
    bbox: Box
    words: list[Word]


class Cell(TypedDict):
    """A cell; rows and columns from 0."""

    row: int
    column: int
    row_span: int
    column_span: int
    text: str
    bbox: Box


class Table(TypedDict):
    """A table: `rows` is its plain grid, `cells` its exact form."""

    bbox: Box
    row_count: int
    column_count: int
    rows: list[list[str]]
    cells: list[Cell]


class PageTable(Table):
    """A table of a document."""

    page: int


class Tables(TypedDict):
    """All tables of a document."""

    document_id: Uuid
    tables: list[PageTable]


class Page(TypedDict):
    """A page that was read; sides in points."""

    number: int
    width: float
    height: float
    source: Literal["text", "ocr"]
    language: str | None
    confidence: float | None
    rotation: int
    engine: str
    text: str
    tables: list[Table]
    blocks: NotRequired[list[Line]]


class JobConfig(TypedDict):
    """What was asked of a job."""

    mode: Mode
    include_tables: bool
    languages: str
    analysis_type: str | None


class PageFailure(TypedDict):
    """A page that could not be read."""

    page: int
    code: str
    message: str


class Provenance(TypedDict):
    """Where a result comes from: `engines` read the pages, `model` is the language model or analyzer, with versions."""

    engines: list[str]
    model: str | None
    prompt_sha256: str | None
    template: str | None
    template_version: int | None
    started_at: Time | None
    completed_at: Time | None


class JobResult(TypedDict):
    """What a job came to; of a cancelled reading, what had been read, and the pages that were spent on it."""

    text_length: int
    table_count: int
    page_count: int
    ocr_page_count: int
    pages_failed: list[PageFailure]
    processing_time_ms: int
    analysis_id: Uuid | None
    pages_spent: NotRequired[list[int]]
    provenance: Provenance


class JobError(TypedDict):
    """Why a job failed."""

    code: str
    message: str
    page: NotRequired[int]


class JobPages(TypedDict):
    """How many pages there are, were read, could not be read, and need OCR."""

    total: int
    done: int
    failed: int
    ocr: int


class Job(TypedDict):
    """A piece of work on a document; `progress` 0 to 100."""

    id: Uuid
    document_id: Uuid
    job_type: JobKind
    status: JobStatus
    priority: int
    progress: int
    stage: str
    config: JobConfig
    result: JobResult | None
    error: JobError | None
    attempts: int
    pages: JobPages
    estimated_seconds_left: int | None
    started_at: Time | None
    completed_at: Time | None
    created_at: Time
    updated_at: Time


class AnalysisAccepted(TypedDict):
    """An analysis that was started."""

    job_id: Uuid
    status: Literal["pending"]
    message: str


class TokenUsage(TypedDict):
    """Tokens of a language model."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class Analysis(TypedDict):
    """An analysis."""

    id: Uuid
    analysis_type: str
    result_data: dict[str, Any]
    confidence_score: float
    model_version: str
    processing_time_ms: int
    token_usage: TokenUsage
    cost_usd: float | None
    provenance: Provenance
    created_at: Time


class Analyses(TypedDict):
    """Analyses of a document, newest first."""

    document_id: Uuid
    analyses: list[Analysis]


class DocumentList(TypedDict):
    """Documents."""

    items: list[FoundDocument]
    total: int
    page: int
    per_page: int
    pages: int


class JobList(TypedDict):
    """Jobs, newest first."""

    items: list[Job]
    total: int
    page: int
    per_page: int
    pages: int


class PageList(TypedDict):
    """Pages, in order."""

    items: list[Page]
    total: int
    page: int
    per_page: int
    pages: int


class HealthServices(TypedDict):
    """What the gateway depends on."""

    database: Literal["healthy", "unhealthy"]
    messaging: Literal["healthy", "unhealthy"]
    storage: Literal["healthy", "unhealthy"]
    auth: Literal["healthy", "unhealthy"]
    ingest: Literal["healthy", "unhealthy"]
    ocr: Literal["healthy", "unhealthy"]
    analysis: Literal["healthy", "unhealthy"]
    results: Literal["healthy", "unhealthy"]


class Health(TypedDict):
    """How the installation is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: Time
    version: str
    services: HealthServices


class GatewayStatus(TypedDict):
    """How this gateway is."""

    api_version: str
    environment: str
    uptime_seconds: float
    request_count: int
    active_connections: int


class Root(TypedDict):
    """What this is."""

    name: str
    version: str
    status: Literal["ok"]
    apis: dict[str, str]
    documentation: str
