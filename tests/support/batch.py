"""A batch of documents of every sort, sent while things break, and what must be true of it afterwards."""

import asyncio
from dataclasses import dataclass

from tests.support import documents
from tests.support.client import ApiClient, Json


@dataclass(frozen=True)
class Sent:
    """A document that was accepted."""

    name: str
    pages: int
    document_id: str
    job_id: str


def contents(rounds: int) -> list[tuple[str, bytes, int]]:
    """Name, bytes and pages: text, tables, scans and both."""
    made = [
        ("text.pdf", documents.text_pdf(pages=3), 3),
        ("long.pdf", documents.text_pdf(pages=40), 40),
        ("table.pdf", documents.table_pdf(), 1),
        ("scan.pdf", documents.scanned_pdf(pages=2), 2),
        ("mixed.pdf", documents.mixed_pdf(), 2),
        ("picture.png", documents.png(documents.SCANNED_TEXT), 1),
    ]
    return [(f"{number}-{name}", content, pages) for number in range(rounds) for name, content, pages in made]


async def send(client: ApiClient, rounds: int) -> list[Sent]:
    """Sends the documents, each with an analysis; every one must be accepted, whatever breaks."""

    async def one(name: str, content: bytes, pages: int) -> Sent:
        answer = await client.upload(name, content, analysis_type="summary")
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return Sent(name, pages, body["id"], body["job_id"])

    return await asyncio.gather(*(one(*content) for content in contents(rounds)))


async def check(client: ApiClient, sent: list[Sent], within: float) -> None:
    """Every job completes, every page is there once, and every document has one analysis."""
    for one in sent:
        job = await client.ended(one.job_id, within)
        assert ("completed", None, one.pages) == (job["status"], job["error"], job["result"]["page_count"]), one.name
        pages = await _all_pages(client, one.document_id)
        assert list(range(1, one.pages + 1)) == [page["number"] for page in pages], one.name
        analyses = await client.get(f"/api/v1/documents/{one.document_id}/analysis")
        assert 1 == len(analyses["analyses"]), one.name


async def _all_pages(client: ApiClient, document_id: str) -> list[Json]:
    body = await client.get(f"/api/v1/documents/{document_id}/pages?per_page=100")
    items: list[Json] = body["items"]
    return items
