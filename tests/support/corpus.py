"""The corpus sent through a stack, and what may come of each of its documents."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from tests.support.client import ApiClient, Json

DOCUMENTED = frozenset(
    {
        "password_required",
        "unsupported_encryption",
        "corrupt_document",
        "empty_document",
        "too_many_pages",
        "page_too_large",
        "unreadable_page",
        "out_of_resources",
        "no_readable_page",
    }
)
IN_FLIGHT = 8


@dataclass(frozen=True)
class Read:
    """What became of a document."""

    file: str
    kind: str
    job: Json


def documents(corpus: Path, kinds: frozenset[str] | None = None) -> list[tuple[str, str]]:
    """File and kind of every document of the corpus, or of some kinds."""
    entries = json.loads((corpus / "MANIFEST.json").read_text())
    return [(entry["file"], entry["kind"]) for entry in entries if kinds is None or entry["kind"] in kinds]


async def read_all(client: ApiClient, corpus: Path, chosen: list[tuple[str, str]], within: float) -> list[Read]:
    """Sends the documents, some at a time, and waits for each to end."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def read(file: str, kind: str) -> Read:
        async with slots:
            content = await asyncio.to_thread((corpus / file).read_bytes)
            answer = await client.upload(Path(file).name, content)
            if answer.status_code != 201:
                refusal = {"status": "refused", "error": {"code": answer.json()["error"]}}
                return Read(file, kind, refusal)
            return Read(file, kind, await client.ended(answer.json()["job_id"], within))

    return await asyncio.gather(*(read(file, kind) for file, kind in chosen))
