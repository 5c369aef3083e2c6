"""How far documents are: bars on a terminal, lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

Json = dict[str, Any]


class Progress(Protocol):
    """Shows jobs, each by the number of its file."""

    def show(self, number: int, job: Json) -> None:
        """The job has changed."""

    def failed(self, number: int, code: str) -> None:
        """There will be no more of it."""


@contextmanager
def open_progress(names: Sequence[str]) -> Iterator[Progress]:
    """Bars when standard error is a terminal, else lines there."""
    if sys.stderr.isatty():
        with _bars(names) as bars:
            yield bars
    else:
        yield Lines(names)


class Lines:
    """Writes a line whenever a job's stage changes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._told = [""] * len(names)

    def show(self, number: int, job: Json) -> None:
        """Writes the stage once."""
        stage = _stage(job)
        if stage != self._told[number]:
            self._told[number] = stage
            print(f"{self._names[number]}: {stage}{_pages(job)}", file=sys.stderr, flush=True)

    def failed(self, number: int, code: str) -> None:
        """Writes the code."""
        print(f"{self._names[number]}: failed ({code})", file=sys.stderr, flush=True)


@contextmanager
def _bars(names: Sequence[str]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich:
        tasks = [rich.add_task(name, total=100, told="uploading") for name in names]

        class Bars:
            def show(self, number: int, job: Json) -> None:
                rich.update(tasks[number], completed=job.get("progress", 0), told=_stage(job) + _pages(job))

            def failed(self, number: int, code: str) -> None:
                rich.update(tasks[number], told=f"failed ({code})")

        yield Bars()


def _stage(job: Json) -> str:
    return str(job.get("stage") or job["status"])


def _pages(job: Json) -> str:
    pages = job.get("pages")
    if not pages or not pages.get("total"):
        return ""
    return f", {pages['done']} of {pages['total']} pages"
