"""One-page documents through ours and through the peer: latency, and documents per second, in turn."""

import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, Findings
from benchmarks.load import Submit, documents_per_second, submit_to_result
from benchmarks.mesh import running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.peers.measure import PEER
from benchmarks.peers.runner import running_peer
from benchmarks.processes import children, cpu_ms_each, cpu_of, name_of

ROUNDS = 4
LATENCIES = 40
DOCUMENTS = 160
IN_FLIGHT = 16
PAUSE_SECONDS = 0.002
BUSY_PAUSE_SECONDS = 0.02
METHOD = (
    f"{ROUNDS} rounds of ours and the peer in turn, with the same client code and the same one-page PDF. Latency: "
    f"from the upload's first byte to the poll that says completed, {LATENCIES} documents one after another, polls "
    f"{PAUSE_SECONDS * 1000:g} ms apart. Documents/s: {DOCUMENTS} documents by {IN_FLIGHT} clients, polls "
    f"{BUSY_PAUSE_SECONDS * 1000:g} ms apart. The peer, FastAPI and Celery (2 processes) with Redis that syncs every "
    "write, reads the text with pdfium; it has no accounts, checks no quota and keeps no record but Redis."
)


@dataclass
class _Side:
    url: str
    submit: Submit
    pids: dict[str, int]
    medians: list[float] = field(default_factory=list)
    p95s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_ms: list[dict[str, float]] = field(default_factory=list)

    async def latency_round(self, pdf: bytes) -> None:
        latency = await submit_to_result(self.url, self.submit, pdf, LATENCIES, warm_up=5, pause_seconds=PAUSE_SECONDS)
        self.medians.append(latency.median_ms)
        self.p95s.append(latency.p95_ms)

    async def busy_round(self, pdf: bytes) -> None:
        before = cpu_of(self.pids)
        throughput = await documents_per_second(
            self.url, self.submit, pdf, DOCUMENTS, IN_FLIGHT, pause_seconds=BUSY_PAUSE_SECONDS
        )
        self.rates.append(throughput.per_second)
        # Each client has one untimed document before the others.
        self.cpu_ms.append(cpu_ms_each(before, cpu_of(self.pids), DOCUMENTS + IN_FLIGHT))

    def cpu_total(self) -> list[float]:
        """Milliseconds of all processes a document, of each busy round."""
        return [spent["all"] for spent in self.cpu_ms]


async def measure() -> Findings:
    """Rounds in turn."""
    pdf = one_page_pdf()
    async with AsyncExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        mesh = running.enter_context(running_mesh())
        ours = _Side(mesh.url, mesh.submit(), mesh.pids())
        others = set(children(os.getpid()))
        peer_url = await running.enter_async_context(running_peer(directory))
        peer = _Side(peer_url, PEER, {name_of(pid): pid for pid in children(os.getpid()) if pid not in others})
        for _ in range(ROUNDS):
            for side in (ours, peer):
                await side.latency_round(pdf)
            for side in (ours, peer):
                await side.busy_round(pdf)
    return Findings(_figures(ours, peer), METHOD, {"cpu_ms_a_document": {"ours": ours.cpu_ms, "peer": peer.cpu_ms}})


def _figures(ours: _Side, peer: _Side) -> list[Figure]:
    name, busy = "peer (FastAPI, Celery, Redis)", f"one-page documents, {IN_FLIGHT} in flight"
    return [
        Figure("upload to completed, median", "ms", ours.medians, name, peer.medians, at_most=3.0),
        Figure("upload to completed, 95th percentile", "ms", ours.p95s, name, peer.p95s),
        Figure(busy, "documents/s", ours.rates, name, peer.rates, at_least=0.5),
        Figure("processor time a document, all processes", "ms", ours.cpu_total(), name, peer.cpu_total()),
    ]
