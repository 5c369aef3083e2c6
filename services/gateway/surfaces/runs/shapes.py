"""What answers about runs hold."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.models import Mode
from services.gateway.surfaces.platform.shapes import (
    Analysis,
    JobError,
    JobPages,
    PageFailure,
    Time,
    TokenUsage,
    Uuid,
    ZeroLogged,
)
from services.gateway.surfaces.runs.models import RunState


class Source(TypedDict):
    """What a run began with; of a text its beginning, of a file its name."""

    url: NotRequired[str]
    s3: NotRequired[str]
    document_id: NotRequired[Uuid]
    text: NotRequired[str]
    file: NotRequired[str]


class Config(TypedDict):
    """What was asked."""

    mode: Mode
    analyses: list[str]
    prompt: str | None
    languages: str
    priority: int


class RunAccepted(TypedDict):
    """A run that was accepted."""

    id: Uuid
    state: Literal["pending"]
    source: Source
    created_at: Time
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


class Task(TypedDict):
    """A job of a run: `kind` is `text_extraction`, or the type of an analysis."""

    id: Uuid
    kind: str
    state: RunState
    progress: int
    attempts: int
    error: JobError | None
    started_at: Time | None
    completed_at: Time | None


class Metadata(TypedDict):
    """The document: `language` of most pages as ISO 639-3, `properties` as the file itself says."""

    document_id: Uuid | None
    filename: str
    mime_type: str
    file_size: int
    sha256: str
    pages: int
    language: str | None
    properties: dict[str, str]


class Failed(TypedDict):
    """An analysis that could not be made."""

    error: JobError


class Metrics(TypedDict):
    """What it took; `cost_usd` null: not known."""

    processing_time_ms: int
    page_count: int
    ocr_page_count: int
    pages_failed: list[PageFailure]
    text_length: int
    table_count: int
    token_usage: TokenUsage
    cost_usd: float | None


class Origin(TypedDict):
    """Where a result comes from: what read the pages, and what analysed them."""

    engines: list[str]
    models: list[str]
    started_at: Time | None
    completed_at: Time | None


class Result(TypedDict):
    """What came of a run; analyses by their types."""

    metadata: Metadata
    analyses: dict[str, Analysis | Failed]
    metrics: Metrics
    provenance: Origin


class Run(TypedDict):
    """A run; `progress` 0 to 100, `pages` of its document while that is one of its tasks."""

    id: Uuid
    state: RunState
    source: Source
    config: Config
    document_id: Uuid | None
    progress: int
    pages: JobPages | None
    estimated_seconds_left: int | None
    tasks: list[Task]
    result: Result | None
    error: JobError | None
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    updated_at: Time
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


class RunList(TypedDict):
    """Runs, newest first, without their results."""

    items: list[Run]
    total: int
    page: int
    per_page: int
    pages: int


class Waiting(TypedDict):
    """Unfinished work of one kind; `oldest_age_ms` null: there is none."""

    depth: int
    oldest_age_ms: int | None


class Queue(TypedDict):
    """Unfinished work of the organization: what waits for workers or is in their hands; `deliver` are webhooks."""

    kinds: dict[str, Waiting]
    total: int
