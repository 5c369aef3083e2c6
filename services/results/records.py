"""What the record holds, as the pipeline and the store see it: plain values, no SQL, no messages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

TERMINAL = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Problem:
    """Why something ended badly."""

    code: str
    message: str


@dataclass
class DocumentRecord:
    """An uploaded document."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    filename: str
    original_filename: str
    file_size: int
    mime_type: str
    sha256: str
    storage_key: str
    state: str = "uploaded"
    page_count: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    hidden: bool = False
    """In no list and no search; only services can reach it."""


@dataclass
class JobRecord:
    """A job; the pipeline changes it, the store saves it."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    document_id: UUID
    type: str
    """`text_extraction`, `analysis`, `text_task` or `tagging`."""
    priority: int
    config: dict[str, Any]
    """`mode`, `languages`, `password`, `callback_url`, `analysis` with `analysis_type`, `prompt`, `options`, and until
    the original is stored `fetch`: a `pagemesh.work.v1.FetchTask` as JSON."""
    state: str = "pending"
    """`pending`, `running`, `completed`, `failed` or `cancelled`."""
    stage: str = "queued"
    progress: int = 0
    pages_total: int = 0
    pages_done: int = 0
    pages_failed: int = 0
    pages_ocr: int = 0
    text_length: int = 0
    table_count: int = 0
    result: dict[str, Any] | None = None
    error: Problem | None = None
    attempts: int = 0
    revision: int = 1
    estimated_seconds_left: int | None = None
    """None until rates were measured, and once it has ended."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Nothing changes it any more."""
        return self.state in TERMINAL

    @property
    def reads(self) -> bool:
        """It reads its document; other jobs wait for that."""
        return self.type != "analysis"


@dataclass(frozen=True)
class PageRecord:
    """A page that was settled: read, or failed with a problem."""

    number: int
    width: float = 0.0
    height: float = 0.0
    source: str = "text"
    """`text` or `ocr`."""
    language: str = ""
    confidence: float | None = None
    text: str = ""
    table_count: int = 0
    engine: str = ""
    layout: bytes = b""
    layout_key: str = ""
    problem: Problem | None = None


@dataclass(frozen=True)
class Spent:
    """What was read of a document whose reading is stopped."""

    pages: tuple[int, ...]
    ocr_pages: int
    failures: tuple[tuple[int, Problem], ...] = ()


@dataclass(frozen=True)
class AnalysisRecord:
    """An analysis that was made."""

    id: UUID
    document_id: UUID
    job_id: UUID
    analysis_type: str
    result_data: dict[str, Any]
    confidence: float
    model_version: str
    processing_time_ms: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd: float | None
    prompt_sha256: str
    template: str = ""
    template_version: int = 0
    started_at: datetime | None = None
    created_at: datetime | None = None
    engine: str = ""
    """Engines that read the document; drawn from its pages."""


@dataclass(frozen=True)
class TemplateRecord:
    """A version of a template; `version` is 0 until it is recorded."""

    name: str
    description: str
    instructions: str
    output_schema: dict[str, Any] | None
    model: str
    variables: list[dict[str, Any]]
    """`name`, `description`, `default`, `required` each."""
    user_id: UUID
    request_id: UUID | None = None
    """Derives from what the caller chose to repeat the making by."""
    version: int = 0
    created_at: datetime | None = None


@dataclass(frozen=True)
class PageToRead:
    """A page as inspection saw it."""

    number: int
    needs_ocr: bool


@dataclass(frozen=True)
class NewTask:
    """Work to hand out."""

    kind: str
    """`fetch`, `inspect`, `extract`, `ocr` or `analyze`."""
    pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class UsageRecord:
    """What an organization used in some days; `storage_bytes` is what it had stored at their end."""

    documents: int
    pages: int
    tokens: int
    storage_bytes: int
    calls: int
    calls_of_gateway: int
    """Those of the calls that the asking gateway has told, from its first day on."""
