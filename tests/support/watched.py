"""A stack of which every byte that it keeps, tells, traces or measures can be searched."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import nats
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from cli import nats as broker
from cli.background import NO_LIMITS, Background, background_stack
from tests.support import documents
from tests.support.canaries import Canaries
from tests.support.span_collector import span_collector

STREAMS = ("EPHEMERAL", "WORK_EPHEMERAL", "FACTS_EPHEMERAL", "IDEMPOTENCY_EPHEMERAL")
SPANS_MS = "100"


@dataclass
class Watched:
    """A stack whose files, logs, spans and metrics are all below one directory."""

    stack: Background
    root: Path
    canaries: Canaries = field(default_factory=Canaries)

    async def found(self) -> set[str]:
        """Canaries that are anywhere in what was kept, told, traced or measured."""
        await asyncio.sleep(3 * int(SPANS_MS) / 1_000)
        async with httpx.AsyncClient() as client:
            for name, port in self.stack.state.ports.items():
                if name.startswith("metrics."):
                    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                    (self.root / "captured" / f"{name}.txt").write_bytes(answer.content)
        return await asyncio.to_thread(self.canaries.found, self.root)

    async def held(self) -> dict[str, int]:
        """Bytes of zero-log work that the broker holds, by stream."""
        layout = self.stack.layout
        connection = await nats.connect(broker.url(self.stack.state.ports["nats"], layout.secret("nats")))
        try:
            manager = connection.jsm()
            return {name: (await manager.stream_info(name)).state.bytes for name in STREAMS}
        finally:
            await connection.close()


@contextmanager
def watched_stack(root: Path, more: Mapping[str, str]) -> Iterator[Watched]:
    """A running stack with everything below the directory, temporary files too, and more in its environment."""
    for name in ("tmp", "home", "captured"):
        (root / name).mkdir(parents=True)
    with span_collector(root / "captured" / "spans") as endpoint:
        environ = {
            **NO_LIMITS,
            "TMPDIR": str(root / "tmp"),
            "HOME": str(root / "home"),
            "PAGEMESH_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": SPANS_MS,
            "PAGEMESH_LOG_LEVEL": "DEBUG",
            **more,
        }
        with background_stack(root / "data", environ, quiet=True) as stack:
            yield Watched(stack, root)


def planted(canaries: Canaries, pages: int = 1) -> bytes:
    """A PDF with a canary in its title, one in its text, and one in the pictures of scanned pages."""
    output, scan = BytesIO(), canaries.words.setdefault("scan", "Harbourquintessence")
    canvas = Canvas(output, pagesize=A4)
    canvas.setTitle(canaries.word("title"))
    canvas.drawString(72, 700, canaries.word("text"))
    canvas.showPage()
    for _ in range(pages):
        canvas.drawImage(ImageReader(BytesIO(documents.jpeg(scan))), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def kept_secret(answer: httpx.Response) -> httpx.Response:
    """The answer, which says that it is about zero-log work."""
    said = (answer.headers.get("x-zero-log"), answer.headers.get("cache-control"))
    assert ("true", "no-store") == said, (answer.request.url, answer.status_code, said)
    return answer
