"""Searchable PDFs by a whole stack."""

import uuid

import pypdfium2 as pdfium
import pytest

from cli.background import Background
from tests.support import documents
from tests.support.client import ApiClient


async def read(client: ApiClient, name: str, content: bytes, **fields: str) -> str:
    """Path of the searchable PDF of a document that was read."""
    body = (await client.upload(name, content, **fields)).json()
    await client.ended(body["job_id"])
    return f"/api/v1/documents/{body['id']}/searchable-pdf"


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("scan.pdf", documents.scanned_pdf(1, "Quarterly invoice"), "Quarterly"),
        ("scan.png", documents.png("Quarterly invoice"), "Quarterly"),
    ],
)
async def test_scans_become_searchable(stack: Background, name: str, content: bytes, word: str) -> None:
    """The words of a scan are found in the file, which nobody else gets."""
    client = await ApiClient(stack.url).register()
    path = await read(client, name, content)
    answer = await client.http.get(path)
    assert (200, "application/pdf") == (answer.status_code, answer.headers["content-type"])
    assert 'attachment; filename="scan' in answer.headers["content-disposition"]
    text = pdfium.PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert word in text
    stranger = await ApiClient(stack.url).register()
    nobodys = f"/api/v1/documents/{uuid.uuid4()}/searchable-pdf"
    for refused in (await stranger.http.get(path), await client.http.get(nobodys)):
        assert (404, "not_found") == (refused.status_code, refused.json()["error"].lower())
    assert 404 == (await client.http.get("/api/v1/documents/garbage/searchable-pdf")).status_code
    assert 401 == (await client.http.get(path, headers={"authorization": "Bearer garbage"})).status_code
    await client.close()
    await stranger.close()


async def test_text_pdfs_are_answered_as_they_are(stack: Background) -> None:
    """Byte for byte."""
    client = await ApiClient(stack.url).register()
    content = documents.text_pdf(2)
    assert content == (await client.http.get(await read(client, "text.pdf", content))).content
    await client.close()


async def test_what_was_not_read_is_refused(stack: Background) -> None:
    """A document that could not be read has nothing to search in."""
    client = await ApiClient(stack.url).register()
    path = await read(client, "locked.pdf", documents.encrypted_pdf("secret"))
    answer = await client.http.get(path)
    assert (409, "illegal_state") == (answer.status_code, answer.json()["error"].lower())
    await client.close()
