"""Polls of jobs that go on, as many as there are in turn, against the cheapest JSON route of the same server."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.alive import alive_jobs
from benchmarks.bare import JOB_PATH, running_bare
from benchmarks.figures import Figure, Findings
from benchmarks.mesh import running_mesh
from benchmarks.polls import PollSpec, polls_per_second

COUNTS = (1, 100, 10_000)
ROUNDS, SECONDS, CONNECTIONS = 4, 5.0, 32
WANTED = 0.35
METHOD = (
    f"{CONNECTIONS} keep-alive connections poll in turn each of so many jobs that go on, with a token and limits that "
    f"count every poll; every poll is followed by the next. {SECONDS:g} s a round, {ROUNDS} rounds of ours and the "
    "bare route in turn, after one that is not counted, in which the gateway learns of the jobs."
)


async def measure() -> Findings:
    """Rounds in turn, so that what else the machine does harms all alike."""
    async with AsyncExitStack() as running:
        mesh = running.enter_context(running_mesh())
        jobs = await running.enter_async_context(alive_jobs(mesh, max(COUNTS)))
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        bare = await running.enter_async_context(running_bare(directory))
        headers = mesh.submit().headers
        figures = []
        for count in COUNTS:
            paths = tuple(f"/api/v1/jobs/{job}" for job in jobs[:count])
            spec = PollSpec(paths[0], headers, paths[1:])
            await _rate(mesh.url, spec, 10 * SECONDS if count > 1_000 else SECONDS)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(await _rate(mesh.url, spec, SECONDS))
                theirs.append(await _rate(bare, PollSpec(JOB_PATH), SECONDS))
            what = f"polls with {count:,} job{'s' * (count > 1)} alive"
            figures.append(Figure(what, "polls/s", ours, "bare Starlette JSON route", theirs, at_least=WANTED))
    return Findings(figures, METHOD)


async def _rate(url: str, spec: PollSpec, seconds: float) -> float:
    """Polls per second. Raises RuntimeError when one was refused: a refusal costs less than an answer."""
    rate = await polls_per_second(url, spec, CONNECTIONS, seconds)
    if rate.refused:
        raise RuntimeError(f"{rate.refused} of the polls of {url}{spec.path} were refused")
    return rate.per_second
