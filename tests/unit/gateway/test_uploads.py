"""Uploads: streamed, in any order of fields, refused early, repeated safely."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.gateway_mesh import Mesh

PDF = b"%PDF-1.7\n" + b"x" * 100
UPLOAD = "/api/v1/documents/upload"
BOUNDARY = "frontier"


def _field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file(content: bytes, filename: str = "a.pdf") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


async def _send(
    client: httpx.AsyncClient, *parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode()
) -> httpx.Response:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await client.post(UPLOAD, content=b"".join(parts) + end, headers=headers)


async def test_accepted(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The answer is the contract's, with the job's address and a time to come again."""
    answer = await client.post(UPLOAD, files={"file": ("Bericht ü.pdf", PDF)}, data={"mode": "text", "priority": "9"})
    body = answer.json()
    assert 201 == answer.status_code
    assert {
        "id": body["id"],
        "filename": f"{body['id']}.pdf",
        "original_filename": "Bericht ü.pdf",
        "file_size": len(PDF),
        "mime_type": "application/pdf",
        "status": "uploaded",
        "page_count": None,
        "created_at": "2026-11-18T11:06:40.000000Z",
        "job_id": body["job_id"],
    } == body
    assert (f"/api/v1/jobs/{body['job_id']}", "1") == (answer.headers["location"], answer.headers["retry-after"])
    assert 9 == mesh.ingest.configs[0].priority


@pytest.mark.parametrize("first", [True, False])
async def test_any_order(mesh: Mesh, client: httpx.AsyncClient, first: bool) -> None:
    """Fields may stand before or after a file that can be held back."""
    parts = [_field("languages", "eng+hin"), _file(PDF)]
    answer = await _send(client, *(parts if first else reversed(parts)))
    assert (201, "eng+hin") == (answer.status_code, mesh.ingest.configs[0].job.languages)


async def test_late_field(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A field after a file that is too large to be held back is refused, and nothing comes of the file."""
    answer = await _send(client, _file(PDF + b"x" * (2 << 20)), _field("mode", "text"))
    assert (400, "invalid_request") == (answer.status_code, answer.json()["error"])
    assert {} == mesh.results.records.documents


async def test_large_file(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A large file arrives whole, in chunks of at most 256 KiB."""
    content = PDF + bytes(range(256)) * (12 << 10)
    answer = await _send(client, _field("mode", "table"), _file(content))
    assert (201, len(content)) == (answer.status_code, answer.json()["file_size"])
    stored = mesh.results.records.documents[answer.json()["id"]]
    assert content == await mesh.blobs.get(stored.storage_key)
    assert 256 << 10 == mesh.ingest.largest_chunk


@pytest.mark.parametrize("declared", [True, False])
async def test_too_large(mesh: Mesh, client: httpx.AsyncClient, declared: bool) -> None:
    """A file over the organization's limit is refused with 413, whether or not its length is told first."""
    mesh.auth.max_file_size_mb = 1
    content = b"".join([_file(PDF + b"x" * (4 << 20)), f"--{BOUNDARY}--\r\n".encode()])
    sent: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 64 << 10):
            sent.append(start)
            yield content[start : start + (64 << 10)]

    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    if declared:
        headers["content-length"] = str(len(content))
    answer = await client.post(UPLOAD, content=pieces(), headers=headers)
    assert (413, "file_too_large") == (answer.status_code, answer.json()["error"])
    assert {"limit_bytes": str(1 << 20)} == answer.json()["details"]
    assert len(sent) < len(content) // (64 << 10)
    assert {} == mesh.results.records.documents


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "empty_file"), (b"GIF89a" * 100, "invalid_file_type"), (b"\0" * 9, "invalid_file_type")],
)
async def test_refused_by_ingest(client: httpx.AsyncClient, content: bytes, error: str) -> None:
    """What ingest refuses is refused with its reason."""
    answer = await _send(client, _file(content))
    assert (400, error) == (answer.status_code, answer.json()["error"])


async def test_wrong_fields(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Every wrong field is named, unknown ones too, and ingest is not bothered."""
    fields = {
        "mode": "all", "priority": "10", "languages": "e", "colour": "red", "analysis_type": "magic", "message": "x"
    }  # fmt: skip
    answer = await _send(client, *(_field(*pair) for pair in fields.items()), _file(PDF))
    assert (422, "validation_error") == (answer.status_code, answer.json()["error"])
    assert sorted(fields) == sorted(answer.json()["details"])
    assert [] == mesh.ingest.configs


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([_field("mode", "text")], "file"),
        ([_file(PDF), _file(PDF)], "file"),
        ([_field("mode", "text"), _field("mode", "text"), _file(PDF)], "mode"),
        ([_field("analysis_type", "question_answering"), _file(PDF)], "prompt"),
    ],
)
async def test_one_wrong_field(client: httpx.AsyncClient, parts: list[bytes], field: str) -> None:
    """Missing and repeated parts are told as what they are."""
    answer = await _send(client, *parts)
    assert (422, [field]) == (answer.status_code, list(answer.json()["details"]))


async def test_empty_fields_are_absent(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Browsers send every field of a form; empty ones ask for nothing."""
    answer = await _send(client, _field("analysis_type", ""), _field("prompt", ""), _file(PDF))
    assert (201, False) == (answer.status_code, mesh.ingest.configs[0].job.HasField("analysis"))


async def test_prompt_alone(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A prompt without a type asks for a custom analysis."""
    await _send(client, _field("prompt", "Who signed?"), _file(PDF))
    analysis = mesh.ingest.configs[0].job.analysis
    assert ("custom", "Who signed?") == (analysis.analysis_type, analysis.prompt)


@pytest.mark.parametrize("end", [b"", b"--frontier"])
async def test_cut_off(mesh: Mesh, client: httpx.AsyncClient, end: bytes) -> None:
    """A form without its closing boundary is no form, however whole its file looks."""
    answer = await _send(client, _field("mode", "text"), _file(PDF + b"x" * (2 << 20)), end=end)
    assert (400, "invalid_request") == (answer.status_code, answer.json()["error"])
    assert {} == mesh.results.records.documents


@pytest.mark.parametrize(
    ("content_type", "status"), [("application/json", 415), ("multipart/form-data", 400), ("", 415)]
)
async def test_not_a_form(client: httpx.AsyncClient, content_type: str, status: int) -> None:
    """Other media types are refused, and forms without a boundary."""
    answer = await client.post(UPLOAD, content=b"{}", headers={"content-type": content_type})
    assert status == answer.status_code


async def test_idempotency_key(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The same key makes no second document; another key, organization or no key does."""
    async with mesh.client(str(uuid.uuid4())) as other:
        sends = [(client, "k"), (client, '"k"'), (client, "l"), (other, "k"), (client, None), (client, None)]
        answers = []
        for who, key in sends:
            headers = {"idempotency-key": key} if key else {}
            answers.append((await who.post(UPLOAD, files={"file": PDF}, headers=headers)).json()["job_id"])
    assert answers[0] == answers[1]
    assert 5 == len(set(answers))


async def test_bad_idempotency_key(client: httpx.AsyncClient) -> None:
    """A key that is none is refused."""
    answer = await client.post(UPLOAD, files={"file": PDF}, headers={"idempotency-key": "k" * 256})
    assert (400, "invalid_idempotency_key") == (answer.status_code, answer.json()["error"])


async def test_organization_asked_once(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The organization's limit is remembered from one upload to the next."""
    for _ in range(3):
        await _send(client, _file(PDF))
    assert 1 == mesh.auth.calls["GetOrganization"]
