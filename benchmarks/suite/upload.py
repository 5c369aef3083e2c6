"""Memory that a large upload adds to the gateway."""

import json
import urllib.request
from contextlib import closing

from benchmarks.figures import Figure, Findings
from benchmarks.load import finished_job
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import one_page_pdf
from benchmarks.processes import memory, watching_memory
from benchmarks.wire import Address, Connection

FILE_BYTES, ROUNDS = 100 << 20, 3
WANTED_MIB = 16.0
METHOD = (
    f"After a small document, a file of {FILE_BYTES >> 20} MiB that begins like a PDF, {ROUNDS} times: the most that "
    "the gateway's resident memory, looked at twenty times a second, was above what it was before."
)


async def measure() -> Findings:
    """The same file again and again."""
    with running_mesh() as mesh:
        _allow_large_files(mesh)
        await finished_job(mesh.url, mesh.submit(), one_page_pdf())
        grown = [await _mib_grown(mesh) for _ in range(ROUNDS)]
    what = f"an upload of {FILE_BYTES >> 20} MiB, gateway"
    return Findings([Figure(what, "MiB", grown, at_most=WANTED_MIB)], METHOD)


async def _mib_grown(mesh: Mesh) -> float:
    address, submit, pid = Address.of(mesh.url), mesh.submit(), mesh.pids()["gateway"]
    upload = submit.upload(address.authority, one_page_pdf().ljust(FILE_BYTES, b"%"))
    connection = await Connection.open(address)
    before = memory(pid).rss
    with closing(connection):
        async with watching_memory({"gateway": pid}, 0.05) as peak:
            await submit.submit(connection, upload)
    return peak.most["gateway"].rss - before


def _allow_large_files(mesh: Mesh) -> None:
    headers = {"Authorization": f"Bearer {mesh.token}", "Content-Type": "application/json"}
    body = json.dumps({"settings": {"max_file_size_mb": 500}}).encode()
    request = urllib.request.Request(f"{mesh.url}/api/v1/organizations/me", body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
