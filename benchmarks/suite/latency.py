"""From upload to completed of a one-page born-digital document, hop by hop, and the durable writes on its way."""

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass

from benchmarks import durable
from benchmarks.figures import Figure, Findings, series
from benchmarks.hops import Sightings, grown, histograms, watching
from benchmarks.load import Submit
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.wire import Address, Connection

DOCUMENTS = 80
WARM_UP = 10
_SERVICES = ("gateway", "auth", "ingest", "results")
_ANSWERED, _TASK, _FACT, _TOLD = (
    "upload's first byte → its answer",
    "upload's first byte → task at the broker (HTTP, gRPC, blob sync, SubmitJob's transaction, publish)",
    "task → fact at the broker (task's sync, delivery, worker, fact's publish)",
    "fact → the client has the answer (fact's sync, delivery, record's transaction, status, gateway)",
)
METHOD = (
    f"{DOCUMENTS} one-page PDFs, one after another, each followed by one long poll (`Prefer: wait`). A hop ends when "
    "a plain subscriber of the broker sees the message; medians of hops need not add up to that of the whole. Times "
    "of calls and tasks are means of the services' own histograms. The floor is the durable writes that wait for each "
    "other, on a broker and a database that have nothing else to do: one file with its folder, two publishes, two "
    "commits."
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """When the client began, had the upload's answer, and had the job's last status."""

    job_id: str
    began: float
    answered: float
    done: float


async def measure() -> Findings:
    """One document at a time on an otherwise idle stack."""
    with running_mesh() as mesh:
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
        times = await durable.milliseconds(layout, port)
    details = {
        "hops_ms": {hop: series(taken) for hop, taken in _hops(seen, sightings).items()},
        "histogram_means_ms": {" ".join(key): round(total.mean_ms, 2) for key, total in sorted(spent.items())},
        "durable_write_ms": {name: series(taken) for name, taken in times.items()},
        "durable_writes_a_document": written,
    }
    return Findings(_figures(seen, times, _hops(seen, sightings)), METHOD, details)


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


def _hops(seen: list[_Seen], sightings: Sightings) -> dict[str, list[float]]:
    """Milliseconds of each hop of each document."""
    hops: dict[str, list[float]] = {_ANSWERED: [], _TASK: [], _FACT: [], _TOLD: []}
    for one in seen:
        task, fact = sightings.task[one.job_id], sightings.fact[one.job_id]
        moments = (one.answered - one.began, task - one.began, fact - task, one.done - fact)
        for taken, moment in zip(hops.values(), moments, strict=True):
            taken.append(moment * 1000)
    return hops


def _figures(seen: list[_Seen], times: dict[str, list[float]], hops: dict[str, list[float]]) -> list[Figure]:
    whole = [(one.done - one.began) * 1000 for one in seen]
    return [
        Figure("upload to completed, one page", "ms", whole, "its durable writes alone", [durable.floor_ms(times)]),
        *(Figure(f"· {hop}", "ms", taken) for hop, taken in hops.items()),
        *(Figure(f"one durable write: {name}", "ms", taken) for name, taken in times.items()),
    ]
