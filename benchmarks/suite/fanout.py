"""What 200 WebSockets that are told of everything cost the pipeline: documents per second, and latency below that."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Figure, Findings, series
from benchmarks.live_readers import LiveReaders, live_readers
from benchmarks.load import documents_per_second
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.offered import latencies_ms
from benchmarks.papers import one_page_pdf
from benchmarks.processes import cpu_ms_each, cpu_of

READERS, SILENT, ROUNDS = 200, 20, 8
DOCUMENTS, IN_FLIGHT, PAUSE_SECONDS = 200, 16, 0.02
OFFERED_DOCUMENTS, OFFERED_SHARE = 80, 0.5
RATE_WANTED, LATENCY_WANTED, CPU_WANTED = 0.9, 1.1, 1.1
_WITHOUT = "the same without readers"
METHOD = (
    f"{ROUNDS} rounds with and without readers in turn. With: {READERS} WebSockets of the same user, the worst case, "
    f"all subscribed to everything, {SILENT} of which never read; they look at nothing, in a process of their own that "
    f"shares the processors and whose own time is given. At saturation: {DOCUMENTS} one-page PDFs by {IN_FLIGHT} "
    f"clients. Below: {OFFERED_DOCUMENTS} that come at {OFFERED_SHARE:g} of the rate that the first, uncounted round "
    "made without readers; latency is from when each was due to its long poll's answer. Processor time of services is "
    "that of all processes of the stack at saturation: what readers on another machine would leave of the ratio."
)


@dataclass
class _Rounds:
    """What was measured in each, with or without readers."""

    rates: list[float] = field(default_factory=list)
    latencies: list[list[float]] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    @property
    def medians(self) -> list[float]:
        """Latency in ms."""
        return [statistics.median(one) for one in self.latencies]

    @property
    def p95s(self) -> list[float]:
        """Latency in ms."""
        return [statistics.quantiles(one, n=20)[-1] for one in self.latencies]

    def cpu_ms(self, process: str) -> list[float]:
        """Of a document."""
        return [one[process] for one in self.cpu]

    def details(self) -> dict[str, Any]:
        """For the record."""
        return {name: series(self.cpu_ms(name)) for name in self.cpu[0]}


async def measure() -> Findings:
    """Rounds in turn."""
    bare, told, readers = _Rounds(), _Rounds(), list[LiveReaders]()
    with running_mesh() as mesh:
        first = _Rounds()
        await _saturate(mesh, first)
        per_second = OFFERED_SHARE * first.rates[0]
        for _ in range(ROUNDS):
            await _saturate(mesh, bare)
            await _offer(mesh, bare, per_second)
            async with live_readers(mesh.url, mesh.token, READERS, SILENT) as listening:
                await _saturate(mesh, told)
                await _offer(mesh, told, per_second)
            readers.append(listening)
    details = {
        "offered_per_second": round(per_second, 1),
        "cpu_ms_a_document": {"without": bare.details(), "with": told.details()},
        "reads_a_reader": series([one.taken.reads / (READERS - SILENT) for one in readers]),
        "bytes_a_reader": series([one.taken.received_bytes / (READERS - SILENT) for one in readers]),
    }
    return Findings(_figures(bare, told, readers), METHOD, details)


def _figures(bare: _Rounds, told: _Rounds, readers: Sequence[LiveReaders]) -> list[Figure]:
    def compared(what: str, unit: str, of: Callable[[_Rounds], list[float]], **wanted: float) -> Figure:
        return Figure(what, unit, of(told), _WITHOUT, of(bare), **wanted)

    own = [one.taken.cpu_seconds * 1000 / (DOCUMENTS + IN_FLIGHT + OFFERED_DOCUMENTS) for one in readers]
    with_readers, share = f"with {READERS} readers", f"at {OFFERED_SHARE:g} of the peak"
    return [
        compared(f"one-page documents {with_readers}", "documents/s", lambda one: one.rates, at_least=RATE_WANTED),
        compared(f"latency {share}, median", "ms", lambda one: one.medians, at_most=LATENCY_WANTED),
        compared(f"latency {share}, 95th percentile", "ms", lambda one: one.p95s, at_most=LATENCY_WANTED),
        compared("processor time of services, a document", "ms", lambda one: one.cpu_ms("all"), at_most=CPU_WANTED),
        compared("· of the gateway", "ms", lambda one: one.cpu_ms("gateway")),
        Figure("processor time of the readers themselves, a document", "ms", own),
    ]


async def _saturate(mesh: Mesh, rounds: _Rounds) -> None:
    pids = mesh.pids()
    before = cpu_of(pids)
    pdf, submit = one_page_pdf(), mesh.submit()
    done = await documents_per_second(mesh.url, submit, pdf, DOCUMENTS, IN_FLIGHT, pause_seconds=PAUSE_SECONDS)
    rounds.rates.append(done.per_second)
    rounds.cpu.append(cpu_ms_each(before, cpu_of(pids), DOCUMENTS + IN_FLIGHT))


async def _offer(mesh: Mesh, rounds: _Rounds, per_second: float) -> None:
    submit = mesh.submit(poll_headers={"Prefer": "wait=30"})
    rounds.latencies.append(await latencies_ms(mesh.url, submit, one_page_pdf(), OFFERED_DOCUMENTS, per_second))
