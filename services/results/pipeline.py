"""The pipeline: what becomes of a job when a fact arrives. Reading this file is reading the product.

    text_extraction:  (fetching) ─▶ queued ─▶ inspecting ─▶ reading ─▶ (analyzing) ─▶ completed
                          │                       │            │            │
                          └───────────────────────┴────────────┴────────────┴───────▶ failed, cancelled

    analysis:         queued or waiting ─▶ analyzing ─▶ completed, failed, cancelled

A failed job can be tried again: it goes on where it failed, as `pending`.

A text_task or tagging job is a text_extraction with an analysis whose document is hidden: its input is no document.

Each function changes the job in hand and returns the work to hand out next. Whether a page counts is decided by the
record, which settles a page once; so a fact that arrives twice, late or out of order changes nothing here either.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.results.records import JobRecord, NewTask, PageRecord, PageToRead, Problem, Spent

RANGE_PAGES = 16
"""Text pages that one extract task reads: some 40 ms of work, so that a killed worker costs little."""

_INSPECTED = 5
_READ = 95
_READ_BEFORE_ANALYSIS = 80
_PASSWORD_PROBLEMS = frozenset({"password_required", "wrong_password"})

Tasks = Sequence[NewTask]

HIDING = frozenset({"text_task", "tagging"})
"""Types of jobs whose documents are hidden."""


@dataclass(frozen=True)
class Ending:
    """How a document's pages came out, for the job that read them."""

    failures: tuple[tuple[int, Problem], ...] = ()


def submitted(job: JobRecord, document_state: str) -> Tasks:
    """A new job: a reading job opens its document, an analysis waits until there is something to analyse.

    A document that is named and not sent is fetched first.
    """
    if job.reads and "fetch" in job.config:
        job.stage = "fetching"
        return [NewTask("fetch")]
    if job.reads:
        job.stage = "queued"
        return [NewTask("inspect")]
    if document_state == "completed":
        return _analyze(job)
    job.stage = "waiting"
    return []


def begun(job: JobRecord) -> None:
    """A worker has the job's first task, which may take long."""
    if not job.ended:
        _start(job)


def fetched(job: JobRecord) -> Tasks:
    """The original is stored, so that it can be opened; only the first report of that counts."""
    if job.ended or job.stage != "fetching":
        return []
    begun(job)
    job.stage = "queued"
    job.config = {name: value for name, value in job.config.items() if name != "fetch"}
    return [NewTask("inspect")]


def inspected(job: JobRecord, pages: Sequence[PageToRead], already_read: frozenset[int]) -> Tasks:
    """The pages are known: one task for every page that needs OCR, one for every range of text pages."""
    if job.ended or job.stage != "queued":
        return []
    if not pages:
        failed(job, Problem("empty_document", "The document has no pages."))
        return []
    _start(job)
    job.pages_total = len(pages)
    job.pages_ocr = sum(page.needs_ocr for page in pages)
    job.stage = "reading"
    job.progress = max(job.progress, _INSPECTED)
    scans = [page.number for page in pages if page.needs_ocr and page.number not in already_read]
    texts = [page.number for page in pages if not page.needs_ocr and page.number not in already_read]
    ranges = (texts[start : start + RANGE_PAGES] for start in range(0, len(texts), RANGE_PAGES))
    return [
        *(NewTask("extract", tuple(numbers)) for numbers in ranges),
        *(NewTask("ocr", (number,)) for number in scans),
    ]


def settled(job: JobRecord, pages: Collection[PageRecord]) -> None:
    """Pages that the record has just accepted, each for the first time."""
    if job.ended:
        return
    _start(job)
    for page in pages:
        if page.problem is None:
            job.pages_done += 1
            job.text_length += len(page.text)
            job.table_count += page.table_count
        else:
            job.pages_failed += 1
    _read_by(job, {page.engine for page in pages if page.problem is None and page.engine})
    if job.pages_total:
        share = (job.pages_done + job.pages_failed) / job.pages_total
        top = _READ_BEFORE_ANALYSIS if job.config.get("analysis") else _READ
        job.progress = max(job.progress, _INSPECTED + int((top - _INSPECTED) * share))


def all_pages_settled(job: JobRecord) -> bool:
    """Every page is read or failed, and nothing was made of that yet."""
    reading = job.reads and job.stage == "reading" and not job.ended
    return reading and job.pages_done + job.pages_failed >= job.pages_total > 0


def finish_reading(job: JobRecord, ending: Ending) -> Tasks:
    """All pages are settled: fail if none could be read, analyse if that was asked, complete otherwise."""
    if job.pages_done == 0:
        codes = {problem.code for _, problem in ending.failures}
        code = codes.pop() if len(codes) == 1 else "no_readable_page"
        message = ending.failures[0][1].message if ending.failures else "No page of the document could be read."
        failed(job, Problem(code, message))
        return []
    job.result = _result(job, job.pages_ocr, ending.failures)
    if job.config.get("analysis"):
        return _analyze(job)
    _complete(job)
    return []


def document_read(job: JobRecord, document_state: str) -> Tasks:
    """The document that an analysis waited for has ended."""
    if job.ended or job.stage != "waiting":
        return []
    if document_state == "completed":
        return _analyze(job)
    failed(job, Problem("nothing_to_analyze", "The document could not be read."))
    return []


def analyzed(job: JobRecord, analysis_id: str) -> None:
    """The analysis is recorded."""
    if job.ended:
        return
    _start(job)
    job.result = {**(job.result or {}), "analysis_id": analysis_id}
    _complete(job)


def failed(job: JobRecord, problem: Problem) -> None:
    """The job cannot be done."""
    if job.ended:
        return
    _start(job)
    job.state = job.stage = "failed"
    job.error = problem
    if problem.code in _PASSWORD_PROBLEMS or was_read(job):
        _forget_password(job)  # else another try needs it


def cancelled(job: JobRecord, spent: Spent | None = None) -> None:
    """A person does not want it any more. What a reading job had read by then stays, and is told."""
    if job.ended:
        return
    job.state = job.stage = "cancelled"
    _forget_password(job)
    if spent is not None:
        job.result = {**_result(job, spent.ocr_pages, spent.failures), "pages_spent": list(spent.pages)}


def retried(job: JobRecord, document_state: str) -> Tasks:
    """A failed job is tried again: from inspection on where nothing could be read, else from the analysis on.

    Progress stays where it was until the new try has overtaken it. Pages that failed have to be open again.
    """
    job.state, job.error = "pending", None
    job.attempts += 1
    if job.type == "analysis" or was_read(job):
        return _analyze(job)
    job.pages_failed = 0
    return submitted(job, document_state)


def document_state(job: JobRecord) -> str:
    """What the reading job's state makes of its document."""
    if job.stage in ("analyzing", "completed") or (job.state in ("failed", "cancelled") and job.pages_done):
        return "completed"  # a failed analysis does not unread the pages, nor does whoever stops the reading
    if job.state in ("failed", "cancelled"):
        return "failed"
    return "uploaded" if job.state == "pending" else "processing"


def was_read(job: JobRecord) -> bool:
    """Whether the job's reading came to its end, whatever became of the job since."""
    return "page_count" in (job.result or {})


def _read_by(job: JobRecord, engines: set[str]) -> None:
    """Notes the engines in the result, which is shown once the job is completed and saved with every change anyway."""
    known = set((job.result or {}).get("engines", ()))
    if engines - known:
        job.result = {**(job.result or {}), "engines": sorted(known | engines)}


def _start(job: JobRecord) -> None:
    if job.state == "pending":
        job.state = "running"
        job.attempts = max(job.attempts, 1)  # a retry has counted itself


def _analyze(job: JobRecord) -> Tasks:
    job.stage = "analyzing"
    job.progress = max(job.progress, _READ_BEFORE_ANALYSIS if job.reads else _INSPECTED)
    return [NewTask("analyze")]


def _complete(job: JobRecord) -> None:
    job.state = job.stage = "completed"
    job.progress = 100
    _forget_password(job)


def _result(job: JobRecord, ocr_pages: int, failures: Iterable[tuple[int, Problem]]) -> dict[str, Any]:
    return {
        **(job.result or {}),
        "text_length": job.text_length,
        "table_count": job.table_count,
        "page_count": job.pages_total,
        "ocr_page_count": ocr_pages,
        "pages_failed": [
            {"page": number, "code": problem.code, "message": problem.message} for number, problem in failures
        ],
    }


def _forget_password(job: JobRecord) -> None:
    job.config = {**job.config, "password": ""}
