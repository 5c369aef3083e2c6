"""Settings of the ingest service."""

import os

from pydantic import Field

from mesh.settings import MeshSettings
from services.ingest.fetch_s3 import S3Rule


class IngestSettings(MeshSettings):
    """How much it reads at a time, and within which limits."""

    ingest_processes: int = Field(default_factory=lambda: max(1, len(os.sched_getaffinity(0))))
    """Sandboxed children that open documents."""
    ingest_memory_mb: int = 768
    """Memory of one child beyond its start."""
    ingest_cpu_seconds: int = 120
    """Processor time of one task."""
    ingest_page_seconds: float = 60.0
    """Wall-clock time from one page to the next."""
    ingest_arrival_bytes: int = Field(default=1 << 20, ge=0, le=16 << 20)
    """Size up to which a document is read as it arrives, where the queue for children is not long; 0 for never."""
    ingest_fetches: int = Field(default=8, ge=1, le=1_000)
    """Originals that are fetched at a time."""
    fetch_seconds: float = Field(default=300.0, gt=0)
    """Longest fetch, tries and pauses together."""
    fetch_buckets: tuple[S3Rule, ...] = ()
    """Which objects of S3 organizations may have fetched; without a rule none."""
