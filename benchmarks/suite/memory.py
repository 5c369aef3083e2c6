"""Memory of each process before, during and after large documents."""

import asyncio
from collections.abc import Mapping
from typing import Any

from benchmarks.figures import Figure, Findings, rounded
from benchmarks.load import finished_job
from benchmarks.mesh import Mesh, running_mesh
from benchmarks.papers import one_page_pdf, scanned_pdf, text_pdf
from benchmarks.processes import Memory, memory_of, total_pss, watching_memory

TEXT_PAGES, SCANNED_PAGES = 500, 60
SETTLE_SECONDS = 3.0
METHOD = (
    f"One stack; a document of {TEXT_PAGES} text pages, then one of {SCANNED_PAGES} scanned pages. Each process with "
    "its children (sandboxes, PostgreSQL's backends), looked at five times a second; RSS counts shared pages in every "
    "process, PSS (proportional set size) divides them. Before: after one small "
    f"document. After: {SETTLE_SECONDS:g} s later."
)


async def measure() -> Findings:
    """Both documents, one after the other, on one stack."""
    with running_mesh() as mesh:
        pids = mesh.pids()
        await finished_job(mesh.url, mesh.submit(), one_page_pdf())
        seen = {
            f"{TEXT_PAGES} text pages": await _during(mesh, pids, text_pdf(TEXT_PAGES)),
            f"{SCANNED_PAGES} scanned pages": await _during(mesh, pids, scanned_pdf(SCANNED_PAGES)),
        }
    figures = [
        Figure(f"{moment} {name}, all processes (PSS)", "MiB", [one["all"][moment]])
        for name, one in seen.items()
        for moment in ("before", "most", "after")
    ]
    return Findings(figures, METHOD, {"mib_by_process": seen})


async def _during(mesh: Mesh, pids: Mapping[str, int], pdf: bytes) -> dict[str, Any]:
    """By process: RSS and PSS before, at most, and after the document."""
    await asyncio.sleep(SETTLE_SECONDS)
    before = memory_of(pids)
    async with watching_memory(pids) as peak:
        await finished_job(mesh.url, mesh.submit(), pdf)
    await asyncio.sleep(SETTLE_SECONDS)
    after = memory_of(pids)
    by_process: dict[str, Any] = {
        name: {"before": _mib(before[name]), "most": _mib(peak.most[name]), "after": _mib(after[name])} for name in pids
    }
    totals = (total_pss(before.values()), peak.total_pss, total_pss(after.values()))
    return by_process | {"all": dict(zip(("before", "most", "after"), map(rounded, totals), strict=True))}


def _mib(one: Memory) -> dict[str, float]:
    return {"rss": rounded(one.rss), "pss": rounded(one.pss)}
