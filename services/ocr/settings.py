"""Settings of the OCR service."""

import os
from typing import Literal

from pydantic import Field

from mesh.settings import MeshSettings


class OcrSettings(MeshSettings):
    """Which engine, how many pages at a time, and within which limits."""

    ocr_processes: int = Field(default_factory=lambda: max(1, len(os.sched_getaffinity(0))))
    """Sandboxed children, one page each at a time."""
    ocr_engine: Literal["auto", "tesserocr", "pytesseract"] = "auto"
    ocr_dpi: int = 200
    ocr_memory_mb: int = 1024
    """Memory of one child beyond its start."""
    ocr_cpu_seconds: int = 180
    """Processor time of one page."""
    ocr_page_seconds: float = 240.0
    """Wall-clock time of one page."""
