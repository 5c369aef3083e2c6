"""Accounts, errors, health and the OpenAPI document."""

from typing import Any

import httpx
import openapi_spec_validator
import pytest
from pydantic import TypeAdapter

from services.gateway.surfaces.platform import shapes
from tests.support.gateway_mesh import Mesh

ACCOUNT = {"email": "ada@example.org", "password": "correct horse", "full_name": "Ada"}


async def _get(mesh: Mesh, path: str, **headers: str) -> httpx.Response:
    async with mesh.client() as client:
        return await client.get(path, headers=headers)


async def _post(mesh: Mesh, path: str, **body: object) -> httpx.Response:
    async with mesh.client() as client:
        return await client.post(path, json=body)


async def test_sessions(mesh: Mesh) -> None:
    """Registering opens a session whose token works; logging in does as well; doubles are refused."""
    registered = await _post(mesh, "/api/v1/auth/register", **ACCOUNT)
    session = registered.json()
    assert (201, "no-store", "bearer", 1800) == (
        registered.status_code, registered.headers["cache-control"], session["token_type"], session["expires_in"],
    )  # fmt: skip
    assert (None, "admin", "free") == tuple(session["user"][name] for name in ("last_login", "role", "tier"))
    login = await _post(mesh, "/api/v1/auth/login", email="ADA@example.org", password="correct horse")
    assert "2026-11-18T11:06:40.000000Z" == login.json()["user"]["last_login"]
    me = await _get(mesh, "/api/v1/users/me", authorization=f"bearer {session['access_token']}")
    assert {**login.json()["user"], **me.json()} == me.json()
    assert shapes.Me.__required_keys__ == set(me.json())
    twice = await _post(mesh, "/api/v1/auth/register", **ACCOUNT)
    assert (409, "email_taken") == (twice.status_code, twice.json()["error"])


async def test_wrong_credentials(mesh: Mesh) -> None:
    """An unknown email, a wrong password and a spent refresh token are 401."""
    await _post(mesh, "/api/v1/auth/register", **ACCOUNT)
    unknown = await _post(mesh, "/api/v1/auth/login", email="b@example.org", password="correct horse")
    wrong = await _post(mesh, "/api/v1/auth/login", email=ACCOUNT["email"], password="wrong")
    spent = await _post(mesh, "/api/v1/auth/refresh", refresh_token="x")
    assert [401] * 3 == [answer.status_code for answer in (unknown, wrong, spent)]
    assert unknown.content == wrong.content
    assert spent.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"password": "short"}, ["password"]),
        ({"password": "password12"}, ["password"]),
        ({"email": "nobody"}, ["email"]),
        ({"full_name": " "}, ["full_name"]),
        ({"full_name": 5, "role": "admin"}, ["full_name", "role"]),
    ],
)
async def test_bad_registration(mesh: Mesh, change: dict[str, object], fields: list[str]) -> None:
    """Each wrong field is named, whoever finds it, and no value is repeated."""
    answer = await _post(mesh, "/api/v1/auth/register", **{**ACCOUNT, **change})
    assert (422, fields) == (answer.status_code, sorted(answer.json()["details"]))
    assert "password12" not in answer.text


async def test_organization(mesh: Mesh, client: httpx.AsyncClient, organization: str) -> None:
    """The organization tells its settings and counts."""
    body = (await client.get("/api/v1/organizations/me")).json()
    TypeAdapter(shapes.Organization).validate_python(body, strict=True)
    assert (organization, 50, 0) == (body["id"], body["settings"]["max_file_size_mb"], body["document_count"])


async def test_logging_out(client: httpx.AsyncClient) -> None:
    """The token that logged out is refused by the very next request, the polls that memory answers included."""
    uploaded = (await client.post("/api/v1/documents/upload", files={"file": b"%PDF-"})).json()
    job = f"/api/v1/jobs/{uploaded['job_id']}"
    assert [200, 200] == [(await client.get(job)).status_code for _ in range(2)]
    answer = await client.post("/api/v1/auth/logout")
    assert (204, b"") == (answer.status_code, answer.content)
    after = [await client.get(path) for path in (job, "/api/v1/documents")]
    after.append(await client.post("/api/v1/auth/logout"))
    assert [(401, "unauthenticated")] * 3 == [(each.status_code, each.json()["error"]) for each in after]


async def test_no_credential_is_taken_before_it_is_known_which_were_revoked(
    mesh: Mesh, client: httpx.AsyncClient
) -> None:
    """A gateway that starts, and has not heard yet what is dead, answers 503; what needs no credential it serves."""
    mesh.gateway.revocations.complete = False
    answer = await client.get("/api/v1/documents")
    assert (503, "unavailable") == (answer.status_code, answer.json()["error"])
    assert 200 == (await client.get("/")).status_code


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer é"])
async def test_no_credential(mesh: Mesh, header: str) -> None:
    """Without a good credential every private path is 401 with a challenge, before anything else is looked at."""
    async with mesh.client() as client:
        headers = {b"authorization": header.encode("latin-1")} if header else {}
        answer = await client.get("/api/v1/documents?page=0", headers=headers)
    assert (401, "unauthenticated") == (answer.status_code, answer.json()["error"])
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/documents/", 404, "not_found"),
        ("PUT", "/api/v1/documents", 405, "method_not_allowed"),
        ("GET", "/api/v1/auth/login", 405, "method_not_allowed"),
    ],
)
async def test_no_such_call(mesh: Mesh, method: str, path: str, status: int, error: str) -> None:
    """Unknown paths and methods are answered in the one form, with or without a credential."""
    async with mesh.client() as client:
        answer = await client.request(method, path)
    assert (status, error) == (answer.status_code, answer.json()["error"])
    assert (status == 405) == ("allow" in answer.headers)
    assert "1.0.0" == answer.headers["api-version"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'"\xff"', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (2 << 20), "application/json", 413),
        (b"{}", "application/json; charset=utf-8", 422),
    ],
)
async def test_bad_bodies(mesh: Mesh, content: bytes, content_type: str, status: int) -> None:
    """Bodies are refused by what is wrong with them first."""
    async with mesh.client() as client:
        answer = await client.post("/api/v1/auth/login", content=content, headers={"content-type": content_type})
    assert status == answer.status_code


async def test_service_away(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """A service that is away is 503 with a time to come again; health says which."""
    assert 200 == (await client.get("/api/v1/documents")).status_code
    await mesh.servers["results"].stop()
    answer = await client.get("/api/v1/documents")
    assert (503, "unavailable", "1") == (answer.status_code, answer.json()["error"], answer.headers["retry-after"])
    health = await client.get("/health")
    assert (503, "unhealthy", "unhealthy") == (
        health.status_code, health.json()["status"], health.json()["services"]["results"],
    )  # fmt: skip


async def test_defect(mesh: Mesh, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours tells nothing of the inside, and the answer still has its id."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("services.gateway.surfaces.platform.render.document", fail)
    await client.post("/api/v1/documents/upload", files={"file": b"%PDF-"})
    answer = await client.get("/api/v1/documents")
    assert {"error": "internal", "message": "Something went wrong on our side."} == answer.json()
    assert (500, 32) == (answer.status_code, len(answer.headers["x-request-id"]))


async def test_health(mesh: Mesh) -> None:
    """Without OCR and analysis things are degraded: work is accepted and waits."""
    answer = await _get(mesh, "/health")
    away = [name for name, state in answer.json()["services"].items() if state == "unhealthy"]
    assert (200, "degraded", ["ocr", "analysis"]) == (answer.status_code, answer.json()["status"], away)
    TypeAdapter(shapes.Health).validate_python(answer.json(), strict=True)


async def test_public_pages(mesh: Mesh) -> None:
    """What anybody may know needs no credential."""
    status = (await _get(mesh, "/api/v1/status")).json()
    TypeAdapter(shapes.GatewayStatus).validate_python(status, strict=True)
    assert 1 == status["request_count"]
    assert ["keys"] == list((await _get(mesh, "/.well-known/jwks.json")).json())
    assert "ok" == (await _get(mesh, "/")).json()["status"]


async def test_openapi(mesh: Mesh, client: httpx.AsyncClient) -> None:
    """The document names every path that is served, only those, and no reference leads nowhere."""
    document = (await _get(mesh, "/openapi.json")).json()
    assert "3.1.0" == document["openapi"]
    for reference in _references(document):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind]
    for path, operations in document["paths"].items():
        for method in {"get", "put", "post", "delete"} - set(operations):
            answer = await client.request(method, path.replace("{", "").replace("}", ""))
            assert 405 == answer.status_code, (method, path)
    part = (await _get(mesh, "/api/v1/openapi.json")).json()
    openapi_spec_validator.validate(document)
    openapi_spec_validator.validate(part)
    assert {path for path in document["paths"] if path.startswith("/api/v1/")} == set(part["paths"])


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []


async def test_cors(mesh: Mesh) -> None:
    """Any origin may call in development, without credentials; preflights need none."""
    async with mesh.client() as client:
        headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
        preflight = await client.options("/api/v1/documents/upload", headers=headers)
        answer = await client.get("/", headers=headers)
    assert 200 == preflight.status_code
    assert "*" == preflight.headers["access-control-allow-origin"] == answer.headers["access-control-allow-origin"]
    assert "access-control-allow-credentials" not in answer.headers
