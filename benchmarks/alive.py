"""Jobs that go on for as long as a measurement lasts: readers by OCR are stopped, and the record gets copies of one."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import psycopg

from benchmarks.durable import postgres_address
from benchmarks.load import Submit
from benchmarks.mesh import Mesh
from benchmarks.papers import scanned_pdf
from benchmarks.processes import family
from benchmarks.wire import Address, Connection

_COPIES = """
    INSERT INTO results.jobs
    SELECT (jsonb_populate_record(job, jsonb_build_object('id', gen_random_uuid()))).*
    FROM results.jobs AS job, generate_series(1, %s) WHERE job.id = %s
    RETURNING id::text
"""


@asynccontextmanager
async def alive_jobs(mesh: Mesh, count: int) -> AsyncIterator[list[str]]:
    """Ids of so many jobs of the mesh's account, all of which stay unfinished in the block."""
    ocr = family(mesh.pids()["ocr"])
    for pid in ocr:
        os.kill(pid, signal.SIGSTOP)
    try:
        job_id = await _submitted(mesh, mesh.submit())
        yield [job_id, *_copies(mesh, job_id, count - 1)]
    finally:
        for pid in ocr:
            os.kill(pid, signal.SIGCONT)


async def _submitted(mesh: Mesh, submit: Submit) -> str:
    address = Address.of(mesh.url)
    connection = await Connection.open(address)
    with closing(connection):
        path = await submit.submit(connection, submit.upload(address.authority, scanned_pdf(1)))
        status = "pending"
        while status == "pending":  # until its page waits for OCR
            await asyncio.sleep(0.1)
            status = json.loads((await connection.exchange(submit.poll(address.authority, path))).body)["status"]
    return path.rpartition("/")[2]


def _copies(mesh: Mesh, job_id: str, count: int) -> list[str]:
    with psycopg.connect(postgres_address(mesh.stack.layout, "postgres")) as database:
        return [row[0] for row in database.execute(_COPIES, (count, job_id))]
