"""Jobs, and what becomes of them."""

from typing import NotRequired

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.models import JobKind, JobStatus, Mode
from services.gateway.surfaces.platform.shapes.common import Time, Uuid, ZeroLogged


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
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


class JobList(TypedDict):
    """Jobs, newest first."""

    items: list[Job]
    total: int
    page: int
    per_page: int
    pages: int
