"""Documents: lists, pages, text, tables, downloads, deletion, analyses."""

import uuid
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from pagemesh.results.v1 import analysis_pb2, job_pb2, page_pb2, results_pb2
from services.gateway.surfaces.platform import shapes
from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh

PDF = b"%PDF-1.7\n0123456789"


@pytest.fixture
async def document(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/documents/upload", files={"file": ("Büro/x;y.pdf", PDF)})
    return f"/api/v1/documents/{answer.json()['id']}"


def _page(number: int) -> page_pb2.Page:
    table = page_pb2.Table(row_count=2, column_count=2, box=page_pb2.Box(left=0, top=20, right=100, bottom=40))
    for row, column, text in ((0, 0, "Item"), (0, 1, "a|b"), (1, 0, "Pear"), (1, 1, "2")):
        table.cells.add(row=row, column=column, row_span=1, column_span=1, text=text)
    page = page_pb2.Page(number=number, width=595.276, height=842, source=page_pb2.PAGE_SOURCE_OCR, language="eng")
    page.text, page.confidence, page.engine = "Head\n\nItem a|b\nPear 2\nFoot", 0.9, "tesseract 5"
    for top, text in ((0, "Head"), (22, "Item a|b"), (32, "Pear 2"), (50, "Foot")):
        line = page.lines.add(text=text, box=page_pb2.Box(left=1, top=top, right=90, bottom=top + 8))
        line.words.add(text=text, confidence=0.5)
    page.tables.append(table)
    return page


def _give_pages(mesh: Mesh, document: str, count: int) -> None:
    mesh.results.records.pages[document.rpartition("/")[2]] = [_page(number + 1) for number in range(count)]


async def test_read(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """A document tells where its original is and what jobs it has."""
    body = (await client.get(document)).json()
    assert shapes.DocumentDetail.__required_keys__ == set(body)
    assert body["storage_uri"].endswith(f"/blobs/originals/{mesh.results.records.owners[body['id']]}/{body['id']}")
    assert None is body["gcs_path"]
    assert [("text_extraction", "pending", 0, None)] == [
        (job["job_type"], job["status"], job["progress"], job["completed_at"]) for job in body["processing_jobs"]
    ]


async def test_list(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Lists are paged, linked and asked for as the client wants them."""
    for name in "abc":
        await client.post("/api/v1/documents/upload", files={"file": (name, PDF)})
    answer = await client.get("/api/v1/documents?per_page=1&page=2&status=failed&search=x%20y&sort=file_size&order=asc")
    body = answer.json()
    assert (3, 2, 1, 3, ["b"]) == (
        *(body[name] for name in ("total", "page", "per_page", "pages")),
        [one["original_filename"] for one in body["items"]],
    )
    assert (
        '</api/v1/documents?per_page=1&status=failed&search=x+y&sort=file_size&order=asc&page=3>; rel="next"'
        in (answer.headers["link"])
    )
    asked = mesh.results.last_list
    assert asked is not None
    assert (job_pb2.DOCUMENT_STATE_FAILED, "x y", True) == (asked.state, asked.search, asked.ascending)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("per_page=101", "per_page"),
        ("status=new", "status"),
        ("sort=name", "sort"),
        ("order=up", "order"),
        ("search=%00", "search"),
        ("search_in=pages", "search_in"),
    ],
)
async def test_bad_query(client: httpx.AsyncClient, query: str, field: str) -> None:
    """Bad parameters are named."""
    answer = await client.get(f"/api/v1/documents?{query}")
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))


async def test_search_in_content(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """Content is searched by relevance unless another order is asked for, and hits tell their pages."""
    mesh.results.matches = [results_pb2.PageMatch(document_id=document.rpartition("/")[2], page=3, snippet="a b c")]
    body = (await client.get("/api/v1/documents?search=b&search_in=content")).json()
    asked = mesh.results.last_list
    assert asked is not None
    assert (results_pb2.SEARCH_IN_CONTENT, results_pb2.DOCUMENT_SORT_UNSPECIFIED) == (asked.search_in, asked.sort)
    assert [{"page": 3, "snippet": "a b c"}] == body["items"][0]["matches"]
    body = (await client.get("/api/v1/documents?search=b&sort=created_at")).json()
    asked = mesh.results.last_list
    assert asked is not None
    assert (results_pb2.SEARCH_IN_NAME, results_pb2.DOCUMENT_SORT_CREATED_AT) == (asked.search_in, asked.sort)
    assert "matches" not in body["items"][0]


async def test_pages(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """Pages have their text and tables, and their lines when asked."""
    _give_pages(mesh, document, 3)
    body = (await client.get(f"{document}/pages?per_page=2")).json()
    page = body["items"][0]
    assert (3, 2, 1, 595.28, "ocr", 0.9) == (
        body["total"], len(body["items"]), page["number"], page["width"], page["source"], page["confidence"],
    )  # fmt: skip
    assert [["Item", "a|b"], ["Pear", "2"]] == page["tables"][0]["rows"]
    assert "blocks" not in page
    blocks = (await client.get(f"{document}/pages?blocks=true")).json()["items"][0]["blocks"]
    assert ["Head", "Item a|b", "Pear 2", "Foot"] == [line["text"] for line in blocks]
    assert 0.5 == blocks[0]["words"][0]["confidence"]


@pytest.mark.parametrize(
    ("accept", "media_type", "text"),
    [
        ("*/*", "text/plain", "Head\n\nItem a|b\nPear 2\nFoot\n\f"),
        (
            "text/markdown, text/plain;q=0.5",
            "text/markdown",
            "<!-- page 1 -->\n\nHead\n\n| Item | a\\|b |\n| --- | --- |\n| Pear | 2 |\n\nFoot\n\n",
        ),
    ],
)
async def test_text(
    mesh: Mesh, client: httpx.AsyncClient, document: str, accept: str, media_type: str, text: str
) -> None:
    """Text comes plain, or as Markdown with its tables in place."""
    _give_pages(mesh, document, 1)
    answer = await client.get(f"{document}/text", headers={"accept": accept})
    assert (f"{media_type}; charset=utf-8", text) == (answer.headers["content-type"], answer.text)


async def test_tables(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """Tables come as JSON with their pages, or as CSV."""
    _give_pages(mesh, document, 2)
    body = (await client.get(f"{document}/tables")).json()
    assert [(1, 2), (2, 2)] == [(table["page"], table["row_count"]) for table in body["tables"]]
    answer = await client.get(f"{document}/tables", headers={"accept": "text/csv"})
    assert "Item,a|b\r\nPear,2\r\n\r\nItem,a|b\r\nPear,2\r\n" == answer.text


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        (None, 200, PDF, None),
        ("bytes=0-3", 206, PDF[:4], "bytes 0-3/19"),
        ("bytes=9-", 206, PDF[9:], "bytes 9-18/19"),
        ("bytes=-4", 206, PDF[-4:], "bytes 15-18/19"),
        ("bytes=5-900", 206, PDF[5:], "bytes 5-18/19"),
        ("bytes=0-1,3-4", 200, PDF, None),
        ("lines=1-2", 200, PDF, None),
        ("bytes=4-2", 200, PDF, None),
        ("bytes=19-", 416, None, "bytes */19"),
        ("bytes=-0", 416, None, "bytes */19"),
    ],
)
async def test_ranges(
    client: httpx.AsyncClient,
    document: str,
    asked: str | None,
    status: int,
    content: bytes | None,
    content_range: str | None,
) -> None:
    """One range is answered, others are let pass, impossible ones refused."""
    answer = await client.get(f"{document}/download", headers={"range": asked} if asked else {})
    assert (status, content_range) == (answer.status_code, answer.headers.get("content-range"))
    if content is not None:
        assert (content, str(len(content))) == (answer.content, answer.headers["content-length"])


async def test_download_headers(client: httpx.AsyncClient, document: str) -> None:
    """An original is saved under a safe name, is never sniffed, and is not sent twice."""
    answer = await client.get(f"{document}/download")
    assert "application/pdf" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert 'attachment; filename="x_y.pdf"' == answer.headers["content-disposition"]
    again = await client.get(f"{document}/download", headers={"if-none-match": answer.headers["etag"]})
    assert (304, b"") == (again.status_code, again.content)
    stale = {"range": "bytes=0-3", "if-range": '"old"'}
    assert 200 == (await client.get(f"{document}/download", headers=stale)).status_code
    head = await client.head(f"{document}/download")
    assert (200, "19", b"") == (head.status_code, head.headers["content-length"], head.content)


@pytest.mark.parametrize("path", ["", "/pages", "/text", "/tables", "/download", "/analysis"])
async def test_not_theirs(mesh: Mesh, client: httpx.AsyncClient, document: str, path: str) -> None:
    """Another organization's document, an unknown one and a malformed id are answered alike."""
    async with mesh.client(organization_id()) as other:
        theirs = await other.get(document + path)
    unknown = await client.get(f"/api/v1/documents/{uuid.uuid4()}{path}")
    malformed = await client.get(f"/api/v1/documents/1{path}")
    assert [404] * 3 == [answer.status_code for answer in (theirs, unknown, malformed)]
    assert theirs.content == unknown.content == malformed.content


async def test_delete(client: httpx.AsyncClient, document: str) -> None:
    """A deleted document is gone, and deleting it again says so."""
    assert [204, 404, 404] == [
        (await client.request(method, document)).status_code for method in ("DELETE", "GET", "DELETE")
    ]


async def test_analyze(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """An analysis is accepted with the address of its job; the same key makes no second one."""
    body = {"analysis_type": "custom", "prompt": "Why?", "options": {"output_schema": {"type": "object"}}}
    answers = [await client.post(f"{document}/analyze", json=body, headers={"idempotency-key": "k"}) for _ in range(2)]
    job_id = answers[0].json()["job_id"]
    assert [(202, {"job_id": job_id, "status": "pending", "message": "Analysis job created"})] * 2 == [
        (answer.status_code, answer.json()) for answer in answers
    ]
    assert f"/api/v1/jobs/{job_id}" == answers[0].headers["location"]
    config = mesh.results.records.jobs[job_id].config.analysis
    assert ("custom", "Why?") == (config.analysis_type, config.prompt)
    assert {"output_schema": {"type": "object"}} == MessageToDict(config.options)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"analysis_type": "magic"}, "analysis_type"),
        ({"analysis_type": "custom"}, "prompt"),
        ({"analysis_type": "summary", "prompt": 5}, "prompt"),
        ({"analysis_type": "summary", "options": {"summarize": "yes"}}, "options.summarize"),
        ({"analysis_type": "summary", "options": {"output_schema": {"title": "\0"}}}, "options.output_schema"),
        ({"analysis_type": "summary", "message": ""}, "message"),
        ([], "body"),
    ],
)
async def test_bad_analyze(client: httpx.AsyncClient, document: str, body: object, field: str) -> None:
    """Wrong fields are named; nothing is converted."""
    answer = await client.post(f"{document}/analyze", json=body)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))


async def test_analyses(mesh: Mesh, client: httpx.AsyncClient, document: str) -> None:
    """Analyses have all fields of the contract, and whole numbers are integers."""
    analysis = analysis_pb2.Analysis(id=str(uuid.uuid4()), analysis_type="summary", confidence=0.9, model_version="m 1")
    data: dict[str, Any] = {"pages": 3, "rate": 1.5, "list": [1, None, True, "x", {"n": 2}], "huge": 1e300}
    analysis.result_data.update(data)
    analysis.created_at.FromSeconds(0)
    mesh.results.records.analyses[document.rpartition("/")[2]] = [analysis]
    body = (await client.get(f"{document}/analysis?analysis_type=summary")).json()
    shown = body["analyses"][0]
    assert shapes.Analysis.__required_keys__ == set(shown)
    assert data == shown["result_data"]
    assert int is type(shown["result_data"]["pages"])
    assert (0.9, None, None) == (shown["confidence_score"], shown["cost_usd"], shown["provenance"]["prompt_sha256"])
    assert "1970-01-01T00:00:00.000000Z" == shown["provenance"]["completed_at"]
