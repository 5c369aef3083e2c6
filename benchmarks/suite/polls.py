"""Polls per second of a finished job, against the cheapest JSON route of the same server and against the peer."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.bare import JOB_PATH, running_bare
from benchmarks.figures import Figure, Findings
from benchmarks.load import Submit, finished_job
from benchmarks.mesh import running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.peers.measure import PEER
from benchmarks.peers.runner import running_peer
from benchmarks.polls import PollSpec, polls_per_second

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 32
METHOD = (
    f"{CONNECTIONS} keep-alive connections from one client process, {SECONDS:g} s a round, {ROUNDS} rounds of ours, "
    "the bare route and the peer in turn, all three running. Bare: one Starlette route that renders a constant job, "
    "uvicorn with uvloop and httptools. Peer: FastAPI and Redis, without accounts."
)


async def measure() -> Findings:
    """Rounds in turn, so that what else the machine does harms all alike."""
    async with AsyncExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        mesh = running.enter_context(running_mesh())
        peer_url = await running.enter_async_context(running_peer(directory))
        bare_url = await running.enter_async_context(running_bare(directory))
        targets = {
            "ours": (mesh.url, await _finished(mesh.url, mesh.submit())),
            "bare": (bare_url, PollSpec(JOB_PATH)),
            "peer": (peer_url, await _finished(peer_url, PEER)),
        }
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, (url, spec) in targets.items():
                rates[name].append(await _rate(url, spec))
    return Findings(_figures(rates), METHOD)


def _figures(rates: dict[str, list[float]]) -> list[Figure]:
    what = f"polls of a finished job, {CONNECTIONS} connections"
    return [
        Figure(what, "polls/s", rates["ours"], "bare Starlette JSON route", rates["bare"], at_least=0.5),
        Figure(what, "polls/s", rates["ours"], "peer (FastAPI, Celery, Redis)", rates["peer"], at_least=3.0),
    ]


async def _finished(url: str, submit: Submit) -> PollSpec:
    path = await finished_job(url, submit, one_page_pdf())
    return PollSpec(path, {**submit.headers, **submit.poll_headers})


async def _rate(url: str, spec: PollSpec) -> float:
    """Polls per second. Raises RuntimeError when one was refused: a refusal costs less than an answer."""
    rate = await polls_per_second(url, spec, CONNECTIONS, SECONDS)
    if rate.refused:
        raise RuntimeError(f"{rate.refused} of the polls of {url}{spec.path} were refused")
    return rate.per_second
