"""The pipeline: every transition, and that repeated and late facts change nothing."""

import copy
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.results import pipeline
from services.results.pipeline import RANGE_PAGES, Ending
from services.results.records import TERMINAL, JobRecord, NewTask, PageRecord, Problem, Spent
from tests.unit.results.jobs import BROKEN, analysis_job, broken, read, reading_job, to_read


def seen(job: JobRecord) -> tuple[str, str, int]:
    """State, stage, progress."""
    return job.state, job.stage, job.progress


def test_a_new_reading_job_opens_its_document() -> None:
    """Nobody has looked at it yet."""
    job = reading_job()
    assert [NewTask("inspect")] == pipeline.submitted(job, "uploaded")
    assert (("pending", "queued", 0), "uploaded") == (seen(job), pipeline.document_state(job))


@pytest.mark.parametrize("state", ["uploaded", "processing"])
def test_a_new_analysis_waits_for_its_document(state: str) -> None:
    """Until there is something to analyse."""
    job = analysis_job()
    assert [] == pipeline.submitted(job, state)
    assert ("pending", "waiting", 0) == seen(job)


def test_a_new_analysis_of_a_document_that_was_read_begins() -> None:
    """At once."""
    job = analysis_job()
    assert [NewTask("analyze")] == pipeline.submitted(job, "completed")
    assert "analyzing" == job.stage


def test_inspection_fans_out() -> None:
    """A task for each scanned page, one for each range of text pages, none for what was read on the way."""
    job = reading_job()
    pages = to_read(*(number in (3, 20) for number in range(1, 41)))
    tasks = pipeline.inspected(job, pages, frozenset({1, 20}))
    texts = [number for number in range(2, 41) if number not in (3, 20)]
    assert [
        NewTask("extract", tuple(texts[:RANGE_PAGES])),
        NewTask("extract", tuple(texts[RANGE_PAGES : 2 * RANGE_PAGES])),
        NewTask("extract", tuple(texts[2 * RANGE_PAGES :])),
        NewTask("ocr", (3,)),
    ] == list(tasks)
    assert (("running", "reading", 5), 40, 2, 1) == (seen(job), job.pages_total, job.pages_ocr, job.attempts)
    assert "processing" == pipeline.document_state(job)


def test_a_second_inspection_changes_nothing() -> None:
    """Also one that saw other pages."""
    job = reading_job()
    pipeline.inspected(job, to_read(False, True), frozenset())
    before = copy.deepcopy(job)
    assert [] == pipeline.inspected(job, to_read(False, False, False), frozenset())
    assert before == job


def test_a_document_without_pages_fails() -> None:
    """No page will ever be settled."""
    job = reading_job()
    assert [] == pipeline.inspected(job, [], frozenset())
    assert ("failed", "empty_document") == (job.state, job.error.code if job.error else "")


def test_settled_pages_count() -> None:
    """Text and tables of those that were read; those that failed apart."""
    job = reading_job()
    pipeline.inspected(job, to_read(False, False, True, True), frozenset())
    pipeline.settled(job, [read(1, "abc", tables=2), broken(4)])
    assert (1, 1, 3, 2) == (job.pages_done, job.pages_failed, job.text_length, job.table_count)
    assert (50, False) == (job.progress, pipeline.all_pages_settled(job))
    pipeline.settled(job, [read(2, "de", tables=1), read(3)])
    assert (3, 1, 9, 3) == (job.pages_done, job.pages_failed, job.text_length, job.table_count)
    assert (95, True) == (job.progress, pipeline.all_pages_settled(job))


def test_engines_are_noted_as_pages_come() -> None:
    """Each once, in whatever order; a job that was cancelled meanwhile has not read its document."""
    job = reading_job()
    pipeline.inspected(job, to_read(False, True, True), frozenset())
    for number, engine in ((1, "text 1"), (3, "ocr 2"), (2, "ocr 2")):
        pipeline.settled(job, [replace(read(number), engine=engine)])
        assert "processing" == pipeline.document_state(job)
    stopped = copy.deepcopy(job)
    pipeline.cancelled(stopped)
    assert "failed" == pipeline.document_state(stopped)
    pipeline.finish_reading(job, Ending())
    assert job.result is not None
    assert (["ocr 2", "text 1"], 3) == (job.result["engines"], job.result["page_count"])


def read_to_the_end(analysis: bool) -> tuple[JobRecord, list[NewTask]]:
    """A job whose two pages are settled, one of them read."""
    job = reading_job(analysis)
    pipeline.inspected(job, to_read(False, True), frozenset())
    pipeline.settled(job, [read(1), broken(2)])
    return job, list(pipeline.finish_reading(job, Ending(((2, BROKEN),))))


def test_a_document_completes_when_a_page_could_be_read() -> None:
    """The result tells of the others, and the password is forgotten."""
    job, tasks = read_to_the_end(analysis=False)
    assert (("completed", "completed", 100), []) == (seen(job), tasks)
    assert {
        "text_length": 4,
        "table_count": 0,
        "page_count": 2,
        "ocr_page_count": 1,
        "pages_failed": [{"page": 2, "code": "unreadable_page", "message": "The page is damaged."}],
    } == job.result
    assert ("", "completed") == (job.config["password"], pipeline.document_state(job))


def test_a_document_is_analysed_when_that_was_asked() -> None:
    """It counts as completed meanwhile; the job does not."""
    job, tasks = read_to_the_end(analysis=True)
    assert (("running", "analyzing", 80), [NewTask("analyze")]) == (seen(job), tasks)
    assert "completed" == pipeline.document_state(job)
    pipeline.analyzed(job, "the-analysis")
    assert ("completed", "completed", 100) == seen(job)
    assert ("the-analysis", 4) == ((job.result or {})["analysis_id"], (job.result or {})["text_length"])


def test_an_analysis_that_fails_leaves_the_document_completed() -> None:
    """The job fails with the analysis' code; the pages stay readable."""
    job, _ = read_to_the_end(analysis=True)
    pipeline.failed(job, Problem("provider_unavailable", "away"))
    assert ("failed", "provider_unavailable") == (job.state, job.error.code if job.error else "")
    assert ("completed", "") == (pipeline.document_state(job), job.config["password"])


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["page_too_large"], "page_too_large"),
        (["unreadable_page", "unreadable_page"], "unreadable_page"),
        (["unreadable_page", "out_of_resources"], "no_readable_page"),
    ],
)
def test_a_document_fails_when_no_page_could_be_read(codes: list[str], expected: str) -> None:
    """With the pages' code when they agree."""
    job = reading_job(analysis=True)
    problems = [Problem(code, f"about {code}") for code in codes]
    pipeline.inspected(job, to_read(*(True for _ in codes)), frozenset())
    pipeline.settled(job, [broken(number, each) for number, each in enumerate(problems, start=1)])
    assert pipeline.all_pages_settled(job)
    assert [] == pipeline.finish_reading(job, Ending(tuple(enumerate(problems, start=1))))
    assert ("failed", Problem(expected, f"about {codes[0]}")) == (job.state, job.error)
    assert "failed" == pipeline.document_state(job)


def test_a_document_that_cannot_be_opened_fails() -> None:
    """The job has begun, and nothing is readable."""
    job = reading_job()
    pipeline.failed(job, Problem("corrupt_document", "damaged"))
    assert (("failed", "failed", 0), 1, "failed") == (seen(job), job.attempts, pipeline.document_state(job))


def test_a_waiting_analysis_begins_when_its_document_was_read() -> None:
    """Once."""
    job = analysis_job()
    pipeline.submitted(job, "processing")
    assert [NewTask("analyze")] == pipeline.document_read(job, "completed")
    assert [] == pipeline.document_read(job, "completed")
    pipeline.analyzed(job, "the-analysis")
    assert (("completed", "completed", 100), {"analysis_id": "the-analysis"}) == (seen(job), job.result)


def test_a_waiting_analysis_fails_with_its_document() -> None:
    """There is nothing to analyse."""
    job = analysis_job()
    pipeline.submitted(job, "processing")
    assert [] == pipeline.document_read(job, "failed")
    assert ("failed", "nothing_to_analyze") == (job.state, job.error.code if job.error else "")


def ended_jobs() -> list[JobRecord]:
    """A job in each final state."""
    completed, _ = read_to_the_end(analysis=False)
    failed, cancelled, analysed = reading_job(), reading_job(), analysis_job()
    pipeline.failed(failed, BROKEN)
    pipeline.cancelled(cancelled)
    pipeline.submitted(analysed, "completed")
    pipeline.analyzed(analysed, "the-analysis")
    return [completed, failed, cancelled, analysed]


@pytest.mark.parametrize("job", ended_jobs(), ids=["completed", "failed", "cancelled", "analysed"])
def test_late_facts_change_nothing(job: JobRecord) -> None:
    """A job that has ended stays as it ended."""
    before = copy.deepcopy(job)
    assert [] == pipeline.inspected(job, to_read(False), frozenset())
    pipeline.settled(job, [read(1), broken(2)])
    assert not pipeline.all_pages_settled(job)
    assert [] == pipeline.document_read(job, "completed")
    pipeline.analyzed(job, "another")
    pipeline.failed(job, Problem("internal", "late"))
    pipeline.cancelled(job)
    assert before == job


def test_cancelling_forgets_the_password() -> None:
    """And the document, of which nothing was read, is not completed."""
    job = reading_job()
    pipeline.cancelled(job)
    assert ("cancelled", "", "failed") == (job.state, job.config["password"], pipeline.document_state(job))


def test_cancelling_keeps_and_tells_what_was_read() -> None:
    """The document is completed with the pages that were spent; nothing else counts as read."""
    job = reading_job()
    pipeline.inspected(job, to_read(False, True, True, True), frozenset())
    pipeline.settled(job, [read(1, "abc", tables=1), read(3, "de"), broken(4)])
    pipeline.cancelled(job, Spent((1, 3), 1, ((4, BROKEN),)))
    assert ("cancelled", "cancelled", 72) == seen(job)
    assert {
        "text_length": 5,
        "table_count": 1,
        "page_count": 4,
        "ocr_page_count": 1,
        "pages_failed": [{"page": 4, "code": "unreadable_page", "message": "The page is damaged."}],
        "pages_spent": [1, 3],
    } == job.result
    assert (None, "completed") == (job.error, pipeline.document_state(job))


def test_cancelling_before_anything_was_read() -> None:
    """Nothing was spent, and the work never began."""
    job = reading_job()
    pipeline.cancelled(job, Spent((), 0))
    assert ([], 0, 0, "failed") == (
        (job.result or {})["pages_spent"],
        (job.result or {})["page_count"],
        job.attempts,
        pipeline.document_state(job),
    )


@pytest.mark.parametrize(
    ("code", "password"),
    [("worker_lost", "secret"), ("out_of_resources", "secret"), ("wrong_password", ""), ("password_required", "")],
)
def test_a_failed_reading_begins_anew(code: str, password: str) -> None:
    """With its password, but for one that was wrong; progress waits for the new try to overtake the old one."""
    job = reading_job()
    problem = Problem(code, "Because.")
    pipeline.inspected(job, to_read(True, True), frozenset())
    pipeline.settled(job, [broken(1, problem), broken(2, problem)])
    pipeline.finish_reading(job, Ending(((1, problem), (2, problem))))
    assert [NewTask("inspect")] == pipeline.retried(job, "failed")
    assert (("pending", "queued", 95), 2, None, 0) == (seen(job), job.attempts, job.error, job.pages_failed)
    assert (password, "uploaded") == (job.config["password"], pipeline.document_state(job))
    tasks = pipeline.inspected(job, to_read(True, True), frozenset({1}))
    assert [NewTask("ocr", (2,))] == list(tasks)
    pipeline.settled(job, [read(1), read(2)])
    pipeline.finish_reading(job, Ending())
    assert (("completed", "completed", 100), 2) == (seen(job), job.attempts)


def test_a_failed_analysis_is_made_again_alone() -> None:
    """The pages were read, and stay read meanwhile."""
    job, _ = read_to_the_end(analysis=True)
    pipeline.failed(job, Problem("provider_unavailable", "away"))
    assert [NewTask("analyze")] == pipeline.retried(job, "completed")
    assert (("pending", "analyzing", 80), 2, "completed") == (seen(job), job.attempts, pipeline.document_state(job))
    pipeline.analyzed(job, "the-analysis")
    assert (("completed", "completed", 100), 2) == (seen(job), job.attempts)
    assert ("the-analysis", 4) == ((job.result or {})["analysis_id"], (job.result or {})["text_length"])


@pytest.mark.parametrize(
    ("state", "tasks", "stage"), [("completed", [NewTask("analyze")], "analyzing"), ("processing", [], "waiting")]
)
def test_a_failed_analysis_of_its_own_waits_where_it_has_to(state: str, tasks: list[NewTask], stage: str) -> None:
    """For a document whose reading is tried again."""
    job = analysis_job()
    pipeline.submitted(job, "completed")
    pipeline.failed(job, BROKEN)
    assert (tasks, "pending", stage) == (pipeline.retried(job, state), job.state, job.stage)


@dataclass
class Record:
    """What the store does around the pipeline: it settles a page once, and refuses facts of jobs that have ended."""

    job: JobRecord
    settled: dict[int, PageRecord] = field(default_factory=dict)
    handed_out: list[NewTask] = field(default_factory=list)

    def take(self, fact: object) -> None:
        """A fact: pages as inspected, pages settled, an analysis id, or a problem."""
        if self.job.ended:
            return
        if isinstance(fact, Problem):
            pipeline.failed(self.job, fact)
        elif isinstance(fact, str):
            pipeline.analyzed(self.job, fact)
        elif isinstance(fact, tuple):
            self.handed_out += pipeline.inspected(self.job, to_read(*fact), frozenset())
        elif isinstance(fact, list):
            new = {page.number: page for page in fact if page.number not in self.settled}
            self.settled |= new
            pipeline.settled(self.job, new.values())
        self._finish()

    def _finish(self) -> None:
        if pipeline.all_pages_settled(self.job):
            problems = sorted((number, page.problem) for number, page in self.settled.items() if page.problem)
            self.handed_out += pipeline.finish_reading(self.job, Ending(tuple(problems)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[bool, tuple[bool, ...], list[PageRecord], list[list[PageRecord]]]:
    """Whether to analyse, the pages as inspected, as they end, and their facts: any order, split, repeats."""
    needs_ocr = tuple(draw(st.lists(st.booleans(), min_size=1, max_size=12)))
    ends = [
        read(number, "x" * number, number % 3) if draw(st.booleans()) else broken(number)
        for number in range(1, len(needs_ocr) + 1)
    ]
    order = draw(st.permutations(ends)) + draw(st.lists(st.sampled_from(ends), max_size=12))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=4)))
    facts = [list(order[start:end]) for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return draw(st.booleans()), needs_ocr, ends, facts


@given(histories(), st.data())
def test_whatever_the_order_the_end_is_the_same(
    history: tuple[bool, tuple[bool, ...], list[PageRecord], list[list[PageRecord]]], data: st.DataObject
) -> None:
    """Progress and counts never go back, each task is handed out once, and the end follows from the pages alone."""
    analyse, needs_ocr, ends, facts = history
    record = Record(reading_job(analyse))
    record.handed_out += pipeline.submitted(record.job, "uploaded")
    steps: list[object] = [needs_ocr, *facts]
    for extra in range(data.draw(st.integers(0, 3))):
        steps.insert(data.draw(st.integers(1, len(steps))), needs_ocr if extra % 2 else facts[0])
    last = (0, 0)
    for step in [*steps, "the-analysis", "the-analysis", Problem("late", "late"), *steps]:
        record.take(step)
        now = (record.job.progress, record.job.pages_done + record.job.pages_failed)
        assert now >= last
        assert now[0] <= 100
        assert (record.job.progress == 100) == (record.job.state == "completed")
        last = now
    good = [page for page in ends if page.problem is None]
    assert record.job.state == ("completed" if good else "failed")
    expected = (len(good), len(ends) - len(good), sum(len(page.text) for page in good), sum(needs_ocr))
    job = record.job
    assert expected == (job.pages_done, job.pages_failed, job.text_length, job.pages_ocr)
    assert ("the-analysis" if analyse and good else None) == (job.result or {}).get("analysis_id")
    pages = [number for task in record.handed_out if task.kind in ("extract", "ocr") for number in task.pages]
    assert list(range(1, len(ends) + 1)) == sorted(pages)
    kinds = [task.kind for task in record.handed_out]
    assert (1, 1 if analyse and good else 0) == (kinds.count("inspect"), kinds.count("analyze"))


@given(st.lists(st.sampled_from(["inspected", "page", "failed", "analyzed", "cancelled"]), max_size=20))
def test_no_order_of_facts_leaves_an_end(facts: list[str]) -> None:
    """Whatever comes, even facts that cannot be: a job that has ended keeps its end, and its state is a known one."""
    job = reading_job(analysis=True)
    ended: JobRecord | None = None
    for number, fact in enumerate(facts, start=1):
        _apply(job, fact, number)
        assert job.state in {"pending", "running", *TERMINAL}
        assert ended in (None, job)
        ended = copy.deepcopy(job) if job.ended else None


def _apply(job: JobRecord, fact: str, number: int) -> None:
    if fact == "inspected":
        pipeline.inspected(job, to_read(False, True), frozenset())
    elif fact == "page":
        pipeline.settled(job, [read(number)])
    elif fact == "failed":
        pipeline.failed(job, BROKEN)
    elif fact == "analyzed":
        pipeline.analyzed(job, "the-analysis")
    else:
        pipeline.cancelled(job)


def test_what_is_named_is_fetched_before_it_is_opened() -> None:
    """Once: a second report of the same changes nothing, nor does one that comes after the end."""
    job = reading_job()
    job.config["fetch"] = {"url": "https://example.org/a.pdf"}
    assert ["fetch"] == [task.kind for task in pipeline.submitted(job, "uploaded")]
    assert ("fetching", "uploaded") == (job.stage, pipeline.document_state(job))
    pipeline.begun(job)
    assert ("running", "fetching", "processing") == (job.state, job.stage, pipeline.document_state(job))
    late = copy.deepcopy(job)
    assert ["inspect"] == [task.kind for task in pipeline.fetched(job)]
    assert ("running", "processing") == (job.state, pipeline.document_state(job))
    assert "fetch" not in job.config
    assert [] == pipeline.fetched(job)
    assert pipeline.inspected(job, to_read(False), frozenset())
    pipeline.failed(late, BROKEN)
    assert [] == pipeline.fetched(late)
    assert "failed" == pipeline.document_state(late)
    assert "fetch" in late.config  # so that another try fetches again
