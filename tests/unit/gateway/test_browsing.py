"""The page at `/docs` and the documents that it shows."""

import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.gateway.openapi import DOCUMENTS
from tests.support.gateway_mesh import Mesh


async def _get(mesh: Mesh, path: str, **headers: str) -> httpx.Response:
    async with mesh.client() as client:
        return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _policy(answer: httpx.Response) -> dict[str, str]:
    directives = answer.headers["content-security-policy"].split("; ")
    return {name: sources for name, _, sources in (directive.partition(" ") for directive in directives)}


async def test_the_page(mesh: Mesh) -> None:
    """Nobody has to log in, it is not counted, and nothing on it comes from elsewhere or stands in the page itself."""
    answer = await _get(mesh, (await _get(mesh, "/")).json()["documentation"])
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert not [name for name in answer.headers if "ratelimit" in name]
    assert 0 == mesh.counters.trips
    policy = _policy(answer)
    assert ("'none'", "'self'", "'self'", "'self'") == tuple(
        policy[name] for name in ("default-src", "script-src", "style-src", "connect-src")
    )
    assert "'none'" == policy["frame-ancestors"]
    assert [] == re.findall(r"https?:|//|<style|style=|\son\w+=|<script>", answer.text)


async def test_everything_that_the_page_needs_is_here(mesh: Mesh) -> None:
    """Each file that it names is served, with its type and under the same policy; a client that has it is told so."""
    named = re.findall(r'(?:href|src)="([^"]+)"', (await _get(mesh, "/docs")).text)
    kinds = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
    for name in named:
        answer = await _get(mesh, f"/{name}")
        kind = answer.headers["content-type"].partition(";")[0]
        assert (200, kinds[name.rpartition(".")[2]], True) == (answer.status_code, kind, len(answer.content) > 100)
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "'none'" == _policy(answer)["default-src"]
    assert {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css", "docs/start.js"} <= set(named)
    known = await _get(mesh, "/docs/swagger-ui.css")
    again = await _get(mesh, "/docs/swagger-ui.css", if_none_match=known.headers["etag"])
    assert (304, b"") == (again.status_code, again.content)


async def test_it_shows_every_document(mesh: Mesh) -> None:
    """What it starts with are the addresses of the documents, and it asks no validator on the network."""
    script = (await _get(mesh, "/docs/start.js")).text
    assert [path.removeprefix("/") for path in DOCUMENTS] == re.findall(r'"url":"([^"]+)"', script)
    assert "validatorUrl: null" in script
    for path in DOCUMENTS:
        assert 200 == (await _get(mesh, path)).status_code


@pytest.mark.parametrize("path", ["/docs/", "/docs/nothing.js", "/docs/../docs", "/docs/%2e%2e/flask_swagger_ui.py"])
async def test_nothing_else_is_there(mesh: Mesh, path: str) -> None:
    """Other files of the wheel, or of the machine, are not served."""
    answer = await _get(mesh, path)
    assert answer.status_code == 404 or "swagger-ui-bundle" in answer.text
    assert "Blueprint" not in answer.text


async def test_only_reading(mesh: Mesh) -> None:
    """Other methods are refused in our form."""
    async with mesh.client() as client:
        answer = await client.post("/docs")
    assert (405, "method_not_allowed", "GET, HEAD, OPTIONS") == (
        *(answer.status_code, answer.json()["error"]),
        answer.headers["allow"],
    )


@pytest.mark.parametrize("path", list(DOCUMENTS))
async def test_documents_are_valid(mesh: Mesh, path: str) -> None:
    """By the schema of OpenAPI 3.1, and by what it says beyond that; every operation has an id of its own and a tag."""
    document = (await _get(mesh, path)).json()
    assert [] == [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    operations: list[dict[str, Any]] = [one for methods in document["paths"].values() for one in methods.values()]
    assert len(operations) == len({one["operationId"] for one in operations})
    assert all(one["tags"][0] and one["summary"] for one in operations)
    assert not [path for path in document["paths"] if path.startswith("/docs/")]


async def test_limits_are_told(mesh: Mesh) -> None:
    """Those of integers that may be null, too, and those of headers."""
    document = (await _get(mesh, "/openapi.json")).json()
    whole, _ = document["components"]["schemas"]["AnalysisOptions"]["properties"]["num_tags"]["anyOf"]
    assert {"type": "integer", "minimum": 1, "maximum": 50} == whole
    headers = {each["name"]: each["schema"] for each in document["paths"]["/api/v1/tasks"]["post"]["parameters"]}
    assert re.fullmatch(headers["X-Zero-Log"]["pattern"], "True")
    seconds = re.compile(headers["X-Zero-Log-TTL"]["pattern"])
    assert [60, 3_600] == [limit([n for n in range(9_999) if seconds.fullmatch(str(n))]) for limit in (min, max)]


async def test_a_validator_that_refuses(mesh: Mesh) -> None:
    """What validates is a validator: a document with a hole in it is found."""
    document = (await _get(mesh, "/openapi.json")).json()
    del document["paths"]["/docs"]["get"]["responses"]["200"]["description"]
    assert [*OpenAPIV31SpecValidator(document).iter_errors()]
