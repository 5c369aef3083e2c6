"""Rates as they are measured, what is left of a job, and the seconds that come of both."""

from collections import Counter
from typing import Any

import pytest

from services.results.forecast import _sums
from services.results.rates import Mix, Rate
from services.results.records import JobRecord
from services.results.work_left import Part, work_left
from tests.unit.results.jobs import analysis_job, reading_job

MEAN = {"extract": 3.0, "ocr": 0.5, "analyze": 9.0}


def test_a_rate_counts_the_time_in_which_there_was_work() -> None:
    """Not that before it began, nor that between the end of the last and the next beginning."""
    rate = Rate()
    rate.done(100, more=True, now=0.0)  # nobody knows when that began
    rate.begun(10.0)
    assert rate.per_second is None
    rate.done(2, more=True, now=11.0)
    rate.begun(11.5)
    rate.done(2, more=False, now=12.0)
    rate.begun(100.0)
    rate.done(4, more=True, now=102.0)
    rate.idle()
    rate.begun(200.0)
    rate.done(2, more=False, now=201.0)
    assert rate.per_second == pytest.approx(10 / 5)


def test_a_rate_forgets() -> None:
    """Pages that take five times as long are noticed within some pages; an outage counts for half a minute."""
    rate = Rate()
    rate.begun(0.0)
    for page in range(1, 101):
        rate.done(1, more=True, now=page * 0.2)
    assert rate.per_second == pytest.approx(5.0)
    for page in range(1, 31):
        rate.done(1, more=True, now=20.0 + page)
    assert rate.per_second == pytest.approx(1.0, rel=0.3)
    rate.done(1, more=True, now=100_000.0)
    assert (rate.per_second or 0) > 0.2


def test_a_mix_is_what_documents_held_of_late() -> None:
    """Those long ago count for little."""
    mix = Mix()
    mix.add(1, {"ocr": 1})
    assert mix.mean() is None
    mix.add(1, {"ocr": 3, "extract": 16})
    assert {"ocr": 2.0, "extract": 8.0} == mix.mean()
    for _ in range(500):
        mix.add(1, {"extract": 2})
    mean = mix.mean() or {}
    assert {"ocr": 0.0, "extract": 2.0} == pytest.approx(mean, abs=0.1)


@pytest.mark.parametrize(
    ("job", "left"),
    [
        (reading_job(), [[Part("inspect", 1)], [Part("extract", 3.0), Part("ocr", 0.5)]]),
        (
            reading_job(analysis=True, stage="reading", state="running", pages_total=50, pages_ocr=10),
            [[Part("ocr", 10), Part("extract", 40)], [Part("analyze", 1)]],
        ),
        (
            reading_job(stage="reading", state="running", pages_total=50, pages_ocr=10, pages_done=20),
            [[Part("ocr", 10), Part("extract", 20, begun=True)]],
        ),
        (
            reading_job(stage="reading", state="running", pages_total=50, pages_ocr=10, pages_done=42, pages_failed=1),
            [[Part("ocr", 7, begun=True)]],
        ),
        (reading_job(analysis=True, stage="analyzing", state="running"), [[Part("analyze", 1)]]),
        (analysis_job(stage="analyzing"), [[Part("analyze", 1)]]),
        (analysis_job(stage="waiting"), None),
        (reading_job(state="failed", stage="failed"), None),
        (reading_job(state="cancelled", stage="cancelled"), None),
    ],
)
def test_what_is_left(job: JobRecord, left: Any) -> None:
    """By stage; nothing can be said of what waits for another job, and nothing is left of what has ended."""
    assert left == work_left(job, MEAN)


def test_nothing_is_expected_of_a_document_while_nobody_has_looked_into_any() -> None:
    """Neither into it nor into another."""
    assert work_left(reading_job(), None) is None


def test_rates_of_replicas_add_up() -> None:
    """Those that are fresh; or, when none is, those that were measured together last."""
    rates = [("ocr", 2.0, 1.0), ("ocr", 3.0, 9.0), ("ocr", 4.0, 70.0), ("extract", 5.0, 60.0), ("extract", 7.0, 300.0)]
    assert {"ocr": 5.0} == _sums(rates, 10.0)
    assert {"ocr": 5.0, "extract": 5.0} == _sums(rates, float("inf"))
    assert {} == Counter(_sums([], 10.0))
