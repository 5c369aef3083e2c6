"""Documents, uploaded, listed and found."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.models import DocumentStatus, JobKind, JobStatus
from services.gateway.surfaces.platform.shapes.common import Time, Uuid, ZeroLogged


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
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


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
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


class DocumentList(TypedDict):
    """Documents."""

    items: list[FoundDocument]
    total: int
    page: int
    per_page: int
    pages: int
