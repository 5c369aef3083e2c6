"""What counting every request costs: polls of a finished job with limits, without them, and of the bare route."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.bare import JOB_PATH, running_bare
from benchmarks.figures import Figure, Findings
from benchmarks.load import finished_job
from benchmarks.mesh import running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.polls import PollSpec, polls_per_second
from benchmarks.uncounted import uncounted_gateway

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = (32, 1)
METHOD = (
    f"{' and '.join(map(str, CONNECTIONS))} keep-alive connections of one organization from one client process, "
    f"{SECONDS:g} s a round, {ROUNDS} rounds of the stack's gateway, of a second gateway of the same stack whose "
    "limits are taken out, and of the bare route in turn, all three running. With limits, a request is counted in its "
    "minute and hour by the broker before it is answered; requests that arrive together share the trip."
)

_LIMITED, _UNLIMITED, _BARE = "with limits", "without limits", "bare Starlette JSON route"


async def measure() -> Findings:
    """Rounds in turn, so that what else the machine does harms all alike."""
    async with AsyncExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        mesh = running.enter_context(running_mesh())
        unlimited = await running.enter_async_context(uncounted_gateway(mesh.stack, directory))
        bare = await running.enter_async_context(running_bare(directory))
        submit = mesh.submit()
        job = PollSpec(await finished_job(mesh.url, submit, one_page_pdf()), submit.headers)
        targets = {_LIMITED: (mesh.url, job), _UNLIMITED: (unlimited, job), _BARE: (bare, PollSpec(JOB_PATH))}
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for name, (url, spec) in targets.items():
                    rate = await _rate(url, spec, connections)
                    rates.setdefault((name, connections), []).append(rate)
    return Findings([figure for connections in CONNECTIONS for figure in _figures(rates, connections)], METHOD)


def _figures(rates: dict[tuple[str, int], list[float]], connections: int) -> list[Figure]:
    what = f"polls of a finished job with limits, {connections} connection{'s' * (connections > 1)}"
    ours, wanted = rates[_LIMITED, connections], 0.35 if connections > 1 else None
    return [
        Figure(what, "polls/s", ours, _UNLIMITED, rates[_UNLIMITED, connections]),
        Figure(what, "polls/s", ours, _BARE, rates[_BARE, connections], at_least=wanted),
    ]


async def _rate(url: str, spec: PollSpec, connections: int) -> float:
    """Polls per second. Raises RuntimeError when one was refused: a refusal costs less than an answer."""
    rate = await polls_per_second(url, spec, connections, SECONDS)
    if rate.refused:
        raise RuntimeError(f"{rate.refused} of the polls of {url}{spec.path} were refused")
    return rate.per_second
