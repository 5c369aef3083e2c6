"""What every endpoint has in common: how queries, bodies, methods and origins are judged, and what every answer has."""

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest

from mesh.errors import InvalidArgument
from services.gateway.surfaces import version_of
from services.gateway.surfaces.platform.models import AnalysisOptions
from services.gateway.validation import parse_json
from tests.support.gateway_mesh import Mesh, running_mesh

JOB = "/api/v1/jobs/6f1f0b8e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pages=1", "pages"),
        ("page=1&page=2", "page"),
        ("page=1_0", "page"),
        ("page=1.0", "page"),
        ("page=%2B1", "page"),
        ("page=" + "9" * 400, "page"),
        ("search=100%", "query"),
        ("search=%zz", "query"),
        ("search=%ff", "query"),
        ("search=%00", "search"),
        ("search=%ed%a0%80", "query"),
        ("&".join(f"p{number}=1" for number in range(100)), "query"),
    ],
)
async def test_bad_queries(client: httpx.AsyncClient, query: str, field: str) -> None:
    """Unknown, given twice, in another spelling, or not percent-encoded UTF-8: the field is named."""
    answer = await client.get(f"/api/v1/documents?{query}")
    assert (422, "validation_error", [field]) == (
        *(answer.status_code, answer.json()["error"]),
        list(answer.json()["details"]),
    )


async def test_warm_polls_have_no_parameters(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Also where the answer is at hand."""
    job = (await client.post("/api/v1/documents/upload", files={"file": b"%PDF-"})).json()["job_id"]
    answers = [(await client.get(f"/api/v1/jobs/{job}{query}")).status_code for query in ("", "", "?wait=1")]
    assert [200, 200, 422] == answers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"analysis_type": "summary", "analysis": 1}', 422),
        (b'{"analysis_type": 1}', 422),
        (b'{"analysis_type": "question_answering", "prompt": " "}', 422),
        (b'{"analysis_type": "summary", "options": {"output_schema": {"maximum": %s}}}' % (b"1" * 30), 422),
        (b'{"analysis_type": "summary", "options": {"output_schema": %s}}' % (b'{"a":' * 99 + b"1" + b"}" * 99), 422),
        (b'{"analysis_type": "summary", "options": {"output_schema": {"a": 1e999}}}', 400),
        (b'{"analysis_type": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'"' + b"\xc3\x28" + b'"', 400),
        (b"[]", 422),
    ],
)
async def test_bad_bodies(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    """What is no JSON is 400; JSON of another form 422; never a defect of ours."""
    path = JOB.replace("jobs", "documents") + "/analyze"
    answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert status == answer.status_code, answer.text
    assert (status == 422) == ("details" in answer.json())


@pytest.mark.parametrize(
    ("number", "taken"),
    [("5", 5), ("5.0", 5), ("0.5e1", 5), ("5.5", None), ('"5"', None), ("true", None), ("1e300", None), ("[]", None)],
)
def test_whole_numbers_of_bodies(number: str, taken: int | None) -> None:
    """Whatever JSON Schema calls an integer, however it is written, and nothing else."""
    raw = f'{{"num_tags": {number}}}'.encode()
    with nullcontext() if taken else pytest.raises(InvalidArgument):
        assert taken == parse_json(raw, AnalysisOptions).num_tags


@pytest.mark.parametrize("path", ["/", "/api/v1/documents", JOB, "/docs"])
async def test_options(mesh: Mesh, path: str) -> None:
    """The methods that there are, asked by anybody."""
    async with mesh.client() as nobody:
        answer = await nobody.options(path)
        refused = await nobody.delete(path)
    assert (204, b"", "GET, HEAD, OPTIONS") == (answer.status_code, answer.content, answer.headers["allow"])
    assert (405, answer.headers["allow"]) == (refused.status_code, refused.headers["allow"])


async def test_head_of_events_ends(client: httpx.AsyncClient) -> None:
    """Headers alone, at once, though the job goes on."""
    job = (await client.post("/api/v1/documents/upload", files={"file": b"%PDF-"})).json()["job_id"]
    answer = await client.head(f"/api/v1/jobs/{job}/events")
    assert (200, b"", "text/event-stream; charset=utf-8") == (
        *(answer.status_code, answer.content),
        answer.headers["content-type"],
    )


async def test_every_answer_has_an_id_and_a_version(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """Errors too, those of unknown paths, and polls that are answered from memory."""
    job = (await client.post("/api/v1/documents/upload", files={"file": b"%PDF-"})).json()["job_id"]
    for path in ("/", "/nothing", "/api/v1/documents?x=1", f"/api/v1/jobs/{job}", f"/api/v1/jobs/{job}", JOB):
        for given, returned in (("mine-1", "mine-1"), ("x" * 129, None), ("grün".encode().decode("latin-1"), None)):
            headers = {b"x-request-id": given.encode("latin-1")}
            answer = await client.get(path, headers=headers)
            told = answer.headers["x-request-id"]
            assert returned in (None, told), path
            assert (True, "1.0.0") == (0 < len(told) <= 128 and told.isascii(), answer.headers["api-version"]), path


def test_versions_of_surfaces() -> None:
    """Each surface has its own."""
    paths = ("/", "/health", "/api/v1/jobs", "/api/v1", "/v2/tasks", "/auth/token", "/api/health", "/apish")
    assert ["1.0.0"] * 4 + ["2.0.0"] * 3 + ["1.0.0"] == [version_of(path) for path in paths]


@pytest.mark.parametrize(
    ("settings", "origin", "allowed"),
    [
        ({"environment": "development"}, "https://any.example", "*"),
        ({"environment": "production"}, "https://any.example", None),
        ({"environment": "production", "cors_origins": "https://app.example"}, "https://any.example", None),
        (
            {"environment": "production", "cors_origins": "https://app.example"},
            "https://app.example",
            "https://app.example",
        ),
    ],
)
async def test_origins(settings: dict[str, Any], origin: str, allowed: str | None) -> None:
    """By the profile; a preflight needs no credential, is not counted, and is refused in the form of errors."""
    asking = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory), **settings) as mesh, mesh.client() as browser:
            preflight = await browser.options("/api/v1/documents/upload", headers=asking)
            answer = await browser.post("/api/v1/documents/upload", headers={"origin": origin})
            assert mesh.counters.counts == {}
    assert [allowed] * 2 == [each.headers.get("access-control-allow-origin") for each in (preflight, answer)]
    assert (200 if allowed else 400, 401) == (preflight.status_code, answer.status_code)
    assert allowed or "invalid_request" == preflight.json()["error"]
    for each in (preflight, answer):
        assert "access-control-allow-credentials" not in each.headers
        assert each.headers["x-request-id"]
