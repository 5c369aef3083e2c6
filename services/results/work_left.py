"""What is left to do for a job, as far as the record knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.results.records import JobRecord

_PAGES = ("ocr", "extract")


@dataclass(frozen=True)
class Part:
    """Work of one kind of task."""

    kind: str
    units: float
    """Pages, or 1."""
    begun: bool = False
    """Some of it is done, so that the rest is next in its lane."""


Stages = Sequence[Sequence[Part]]
"""One after another; the parts of each are done at the same time."""


def work_left(job: JobRecord, mean: Mapping[str, float] | None) -> Stages | None:
    """What is left; None where nothing can be said. `mean` is what documents hold that nobody has looked into yet."""
    if job.ended or job.stage == "waiting" or (job.stage == "queued" and mean is None):
        return None
    if job.type == "analysis" or job.stage == "analyzing":
        return [[Part("analyze", 1)]]
    stages = [_pages(job)]
    if job.stage == "queued":
        stages = [[Part("inspect", 1)], [Part(kind, units) for kind, units in (mean or {}).items() if kind in _PAGES]]
    return [*stages, [Part("analyze", 1)]] if job.config.get("analysis") else stages


def _pages(job: JobRecord) -> list[Part]:
    """Text is read long before pictures are, so pages that are left are pictures first of all."""
    left = job.pages_total - job.pages_done - job.pages_failed
    ocr = min(left, job.pages_ocr)
    text, text_pages = left - ocr, job.pages_total - job.pages_ocr
    parts = [Part("ocr", ocr, ocr < job.pages_ocr), Part("extract", text, text < text_pages)]
    return [part for part in parts if part.units > 0]
