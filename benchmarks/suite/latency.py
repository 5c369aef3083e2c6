"""From upload to completed of a one-page born-digital document, hop by hop, and the durable writes on its way."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from benchmarks import durable
from benchmarks.figures import Figure, Findings, series
from benchmarks.hops import Key, Sightings, Total, grown, histograms, watching
from benchmarks.load import Submit
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.wire import Address, Connection

DOCUMENTS = 80
WARM_UP = 10
_SERVICES = ("gateway", "auth", "ingest", "results")
# On arrival: calls within calls, as the services' own histograms have them.
_UPLOAD, _SUBMIT = (
    ("pagemesh_rpc_seconds", "/pagemesh.ingest.v1.IngestService/Upload OK"),
    ("pagemesh_rpc_seconds", "/pagemesh.results.v1.JobService/SubmitJob OK"),
)
_FLOOR = "its durable writes alone"
_BY_TASKS = {"PAGEMESH_INGEST_ARRIVAL_BYTES": "0"}
_ANSWERED, _TASK, _FACT, _TOLD = (
    "upload's first byte → its answer",
    "upload's first byte → task at the broker (HTTP, gRPC, blob sync, SubmitJob's transaction, publish)",
    "task → fact at the broker (task's sync, delivery, worker, fact's publish)",
    "fact → the client has the answer (fact's sync, delivery, record's transaction, status, gateway)",
)
METHOD = (
    f"{DOCUMENTS} one-page PDFs, one after another, each followed by one long poll (`Prefer: wait`); first on a stack "
    "as it is, where they are read on arrival, then on one that leaves all reading to tasks. On arrival the hops are "
    "means of the services' own histograms, each within the one before. By tasks a hop ends when a plain subscriber "
    "of the broker sees the message; medians of hops need not add up to that of the whole. The floor is the durable "
    "writes that wait for each other, on a broker and a database that have nothing else to do: one file with its "
    "folder and one commit on arrival, one more commit and two publishes by tasks."
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """When the client began, had the upload's answer, and had the job's last status."""

    job_id: str
    began: float
    answered: float
    done: float


@dataclass(frozen=True, slots=True)
class _Run:
    """One stack's documents, what its metrics and its broker saw of them, and what a durable write costs it."""

    seen: list[_Seen]
    sightings: Sightings
    spent: dict[Key, Total]
    written: dict[str, float]
    times: dict[str, list[float]]

    @property
    def whole(self) -> list[float]:
        """Milliseconds from the first byte to the last status."""
        return [(one.done - one.began) * 1000 for one in self.seen]

    def details(self) -> dict[str, Any]:
        """For the record."""
        return {
            "histogram_means_ms": {" ".join(key): round(total.mean_ms, 2) for key, total in sorted(self.spent.items())},
            "durable_write_ms": {name: series(taken) for name, taken in self.times.items()},
            "durable_writes_a_document": self.written,
        }


async def measure() -> Findings:
    """One document at a time on an otherwise idle stack, on arrival and then by tasks."""
    arrival, tasks = await _run({}), await _run(_BY_TASKS)
    details = {"on_arrival": arrival.details(), "by_tasks": tasks.details()}
    details["by_tasks"]["hops_ms"] = {hop: series(taken) for hop, taken in _hops(tasks).items()}
    return Findings([*_arrival_figures(arrival), *_task_figures(tasks)], METHOD, details)


async def _run(environment: Mapping[str, str]) -> _Run:
    with running_mesh(environment) as mesh:
        layout, port = mesh.stack.layout, mesh.stack.state.ports["nats"]
        pages = [mesh.metrics_url(service) for service in _SERVICES]
        writes = durable.WriteCount(layout, port)
        await _documents(mesh, WARM_UP)
        counted, before = await writes.now(), await histograms(pages)
        async with watching(durable.nats_address(layout, port)) as sightings:
            seen = await _documents(mesh, DOCUMENTS)
            await asyncio.sleep(0.2)
        spent = grown(before, await histograms(pages))
        written = durable.per_document(counted, await writes.now(), DOCUMENTS)
        return _Run(seen, sightings, spent, written, await durable.milliseconds(layout, port))


async def _documents(mesh: Mesh, count: int) -> list[_Seen]:
    submit = mesh.submit(poll_headers={"Prefer": "wait=30"})
    connection = await Connection.open(Address.of(mesh.url))
    with closing(connection):
        return [await _document(connection, submit, Address.of(mesh.url).authority) for _ in range(count)]


async def _document(connection: Connection, submit: Submit, host: str) -> _Seen:
    upload = submit.upload(host, one_page_pdf())
    began = time.perf_counter()
    path = await submit.submit(connection, upload)
    answered = time.perf_counter()
    while not submit.is_done(await connection.exchange(submit.poll(host, path))):
        pass
    return _Seen(path.rpartition("/")[2], began, answered, time.perf_counter())


def _hops(run: _Run) -> dict[str, list[float]]:
    """Milliseconds of each hop of each document."""
    hops: dict[str, list[float]] = {_ANSWERED: [], _TASK: [], _FACT: [], _TOLD: []}
    for one in run.seen:
        task, fact = run.sightings.task[one.job_id], run.sightings.fact[one.job_id]
        moments = (one.answered - one.began, task - one.began, fact - task, one.done - fact)
        for taken, moment in zip(hops.values(), moments, strict=True):
            taken.append(moment * 1000)
    return hops


def _arrival_figures(run: _Run) -> list[Figure]:
    answered = [(one.answered - one.began) * 1000 for one in run.seen]
    polled = [(one.done - one.answered) * 1000 for one in run.seen]
    floor = durable.floor_ms(run.times, publishes=0, commits=1)
    return [
        Figure("upload to completed, one page, on arrival", "ms", run.whole, _FLOOR, [floor]),
        Figure(f"· {_ANSWERED}", "ms", answered),
        Figure("·· in ingest: storing, reading, submitting (mean)", "ms", [run.spent[_UPLOAD].mean_ms]),
        Figure("··· in results: the transaction (mean)", "ms", [run.spent[_SUBMIT].mean_ms]),
        Figure("· its answer → the poll's", "ms", polled),
    ]


def _task_figures(run: _Run) -> list[Figure]:
    floor = durable.floor_ms(run.times, publishes=2, commits=2)
    return [
        Figure("upload to completed, one page, by tasks", "ms", run.whole, _FLOOR, [floor]),
        *(Figure(f"· {hop}", "ms", taken) for hop, taken in _hops(run).items()),
        *(Figure(f"one durable write: {name}", "ms", taken) for name, taken in run.times.items()),
    ]
