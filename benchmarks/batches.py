"""A batch of documents read by ours and by bare processes, in turn."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_pool import BarePool, Piece
from benchmarks.load import finished_job
from benchmarks.mesh import Mesh

# A long poll costs the machine nothing while others work.
_WAIT = {"Prefer": "wait=30"}


@dataclass(frozen=True, slots=True)
class Batch:
    """Files, each with its number of pages."""

    name: str
    files: Sequence[tuple[Path, int]]

    @property
    def pages(self) -> int:
        """Of all files."""
        return sum(pages for _, pages in self.files)

    def pieces(self, cut: Callable[[Path, int], list[Piece]]) -> list[Piece]:
        """All files, cut into pieces of work."""
        return [piece for path, pages in self.files for piece in cut(path, pages)]


@dataclass(frozen=True, slots=True)
class Bare:
    """What ours is compared with: who reads, and pieces of what size."""

    pool: BarePool
    read: Callable[[Piece], int]
    cut: Callable[[Path, int], list[Piece]]

    async def pages_per_second(self, batch: Batch) -> float:
        """One round over the batch, all cores at work."""
        return batch.pages / await asyncio.to_thread(self.pool.seconds, self.read, batch.pieces(self.cut))


async def mesh_pages_per_second(mesh: Mesh, batch: Batch, mode: str = "mixed") -> float:
    """One round: every document uploaded at once, until the last one is completed. Raises JobFailed."""
    submit = mesh.submit(mode, _WAIT)
    contents = [path.read_bytes() for path, _ in batch.files]
    started = time.perf_counter()
    await asyncio.gather(*(finished_job(mesh.url, submit, content) for content in contents))
    return batch.pages / (time.perf_counter() - started)


async def in_turn(
    mesh: Mesh, batch: Batch, modes: Sequence[str], bare: Mapping[str, Bare], rounds: int
) -> dict[str, list[float]]:
    """Pages per second of ours in each mode and of each bare reader, all once a round."""
    rates: dict[str, list[float]] = {name: [] for name in (*modes, *bare)}
    for _ in range(rounds):
        for mode in modes:
            rates[mode].append(await mesh_pages_per_second(mesh, batch, mode))
        for name, reader in bare.items():
            rates[name].append(await reader.pages_per_second(batch))
    return rates
