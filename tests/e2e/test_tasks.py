"""Text tasks by a whole stack: a text or a file in, polls, a result out, and nothing left in anybody's documents."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from cli.background import Background
from tests.e2e.test_sharing import joined
from tests.support.client import ApiClient, Json
from tests.support.documents import scanned_pdf

TEXT = (
    "Quarterly report of Acme Harbour Ltd.\nRevenue: EUR 48.6 million\nTotal: EUR 120.50\nInvoice number: A-17\n\n"
    "The company opened two berths in May 2026. Cash flow from operations was EUR 8.3 million."
)
TOTAL = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}, "required": ["total"]}
_FOUND = {
    "summary": "summary",
    "tags": "tags_detail",
    "financial_analysis": "key_metrics",
    "key_value_extraction": "fields",
}


async def begin(client: ApiClient, **body: Any) -> Json:
    """An accepted task."""
    answer = await client.http.post("/api/v1/tasks", json={"text": TEXT, **body})
    assert 202 == answer.status_code, answer.text
    accepted: Json = answer.json()
    assert f"/api/v1/tasks/{accepted['task_id']}" == answer.headers["location"]
    assert int(answer.headers["retry-after"]) >= 1
    return accepted


async def ended(client: ApiClient, task_id: str) -> Json:
    """The task once it has ended."""
    while True:
        answer = await client.http.get(f"/api/v1/tasks/{task_id}", headers={"prefer": "wait=30"})
        assert 200 == answer.status_code, answer.text
        task: Json = answer.json()
        if task["status"] not in ("PENDING", "PROCESSING"):
            return task


async def test_every_built_in_template(stack: Background) -> None:
    """Each finds its own, says by which template and version, and nothing of it is a document."""
    client = await ApiClient(stack.url).register()
    for name, own in _FOUND.items():
        accepted = await begin(client, template=name, options={"num_tags": 3})
        assert ("PENDING", {"task_id", "status", "created_at", "expires_at"}) == (accepted["status"], set(accepted))
        task = await ended(client, accepted["task_id"])
        assert ("COMPLETED", 100, accepted["created_at"]) == (task["status"], task["progress"], task["created_at"])
        data, provenance = task["result"]["result_data"], task["result"]["provenance"]
        assert data[own], name
        assert len(data["tags"]) <= 3
        assert (name, 1, "plain-text 1") == (
            provenance["template"],
            provenance["template_version"],
            ", ".join(provenance["engines"]),
        )
        assert all(quote["page"] == 1 and quote["box"] is None for each in data["evidence"].values() for quote in each)
    default = await ended(client, (await begin(client))["task_id"])
    assert "summary" == default["result"]["provenance"]["template"]
    assert 0 == (await client.get("/api/v1/documents"))["total"]
    assert 5 == (await client.get("/api/v1/tasks?status=COMPLETED"))["total"]
    assert 5 == (await client.get("/api/v1/jobs?job_type=text_task"))["total"]
    await client.close()


async def test_a_file_is_read_by_ocr(stack: Background) -> None:
    """And sent twice under one key it is one task; a document's calls do not know it."""
    client = await ApiClient(stack.url).register()
    headers = {"idempotency-key": uuid.uuid4().hex}

    async def send(**fields: str) -> httpx.Response:
        form = {"template": "summary", "languages": "eng", **fields}
        files = {"file": ("scan.pdf", scan)}
        return await client.http.post("/api/v1/tasks/file", data=form, files=files, headers=headers)

    scan = scanned_pdf(1, "Quarterly invoice of the harbour")
    first = await send(options='{"num_tags": 3}')
    again = await send(options='{"num_tags": 3}')
    assert (202, first.content, "true") == (again.status_code, again.content, again.headers["idempotency-replayed"])
    assert 422 == (await send(options='{"num_tags": 4}')).status_code
    task = await ended(client, first.json()["task_id"])
    assert "tesseract" in " ".join(task["result"]["provenance"]["engines"]).lower()
    assert "harbour" in json.dumps(task["result"]["result_data"]).lower()
    job = await client.get(f"/api/v1/jobs/{task['task_id']}")
    assert ("text_task", 1) == (job["job_type"], job["result"]["ocr_page_count"])
    for rest in ("", "/pages", "/text", "/tables", "/download", "/analysis", "/searchable-pdf"):
        assert 404 == (await client.http.get(f"/api/v1/documents/{job['document_id']}{rest}")).status_code
    analysis = {"analysis_type": "summary"}
    assert 404 == (await client.http.post(f"/api/v1/documents/{job['document_id']}/analyze", json=analysis)).status_code
    assert 404 == (await client.http.delete(f"/api/v1/documents/{job['document_id']}")).status_code
    await client.close()


async def test_a_task_keeps_the_version_that_it_began_with(stack: Background) -> None:
    """However often the template changes, or is deleted, while the tasks run."""
    client = await ApiClient(stack.url).register()
    body = {"name": "own", "instructions": "Take the total of {{text}}", "output_schema": TOTAL}
    assert 201 == (await client.http.post("/api/v1/templates", json=body)).status_code
    first = [await begin(client, template="own", text=TEXT * 40) for _ in range(3)]
    changed = {"instructions": "Take the number of {{text}}", "output_schema": {"required": ["invoice_number"]}}
    changed["output_schema"]["properties"] = {"invoice_number": {"type": "string"}}  # type: ignore[index]
    answer = await client.http.put("/api/v1/templates/own", json=changed)
    assert (200, 2) == (answer.status_code, answer.json()["version"])
    second = await begin(client, template="own")
    assert 204 == (await client.http.delete("/api/v1/templates/own")).status_code
    refused = await client.http.post("/api/v1/tasks", json={"text": TEXT, "template": "own"})
    assert (422, ["template"]) == (refused.status_code, list(refused.json()["details"]))
    cases: list[tuple[Json, int, Json]] = [(one, 1, {"total": 120.5}) for one in first]
    for accepted, version, found in (*cases, (second, 2, {"invoice_number": "A-17"})):
        task = await ended(client, accepted["task_id"])
        assert version == task["result"]["provenance"]["template_version"]
        data = task["result"]["result_data"]
        assert found == {name: data[name] for name in found}
    await client.close()


async def test_a_document_is_analysed_by_a_template(stack: Background) -> None:
    """At its upload and afterwards; what the template's schema requires and nobody finds fails the job, clearly."""
    client = await ApiClient(stack.url).register()
    body = {"name": "own", "instructions": "{{what}} of {{text}}", "variables": [{"name": "what"}]}
    assert 201 == (await client.http.post("/api/v1/templates", json=body | {"output_schema": TOTAL})).status_code
    content = scanned_pdf(1, "Total: 42.50")
    uploaded = (await client.upload("a.pdf", content, template="summary")).json()
    assert "completed" == (await client.ended(uploaded["job_id"]))["status"]
    path = f"/api/v1/documents/{uploaded['id']}"
    options: Json = {"variables": {"what": "Total {{text}}"}}
    answer = await client.http.post(f"{path}/analyze", json={"template": "own", "options": options})
    assert 202 == answer.status_code, answer.text
    assert "completed" == (await client.ended(answer.json()["job_id"]))["status"]
    by_template, at_upload = (await client.get(f"{path}/analysis"))["analyses"]
    assert ("custom", "own", 42.5) == (
        by_template["analysis_type"],
        by_template["provenance"]["template"],
        by_template["result_data"]["total"],
    )
    assert ("summary", "summary") == (at_upload["analysis_type"], at_upload["provenance"]["template"])
    wanted = {"type": "object", "properties": {"captain": {"type": "string"}}, "required": ["captain"]}
    asked = {"template": "summary", "options": {"output_schema": wanted}}
    failed = await client.ended((await client.http.post(f"{path}/analyze", json=asked)).json()["job_id"])
    assert ("failed", "output_schema_unsupported") == (failed["status"], failed["error"]["code"])
    for wrong, field in (
        ({"template": "own"}, "options.variables.what"),
        ({"template": "own", "options": {"variables": {"what": "x", "other": "y"}}}, "options.variables.other"),
        ({"template": "own", "options": {**options, "output_schema": TOTAL}}, "options.output_schema"),
        ({"template": "summary", "analysis_type": "tagging"}, "analysis_type"),
        ({"template": "nothing"}, "template"),
        ({}, "analysis_type"),
        ({"analysis_type": "summary", "options": options}, "options.variables"),
    ):
        refused = await client.http.post(f"{path}/analyze", json=wrong)
        assert (422, [field]) == (refused.status_code, list(refused.json()["details"])), wrong
    await client.close()


async def test_polls_events_and_the_end_of_a_task(stack: Background) -> None:
    """304 while nothing changed, each change as an event, cancelling what runs and erasing what has ended."""
    client = await ApiClient(stack.url).register()
    path = f"/api/v1/tasks/{(await begin(client))['task_id']}"
    async with client.http.stream("GET", f"{path}/events") as events:
        lines = [line async for line in events.aiter_lines()]
    assert "event: task" in lines
    assert "COMPLETED" == json.loads([line for line in lines if line.startswith("data: ")][-1][6:])["status"]
    answer = await client.http.get(path)
    unchanged = await client.http.get(path, headers={"if-none-match": answer.headers["etag"], "prefer": "wait=1"})
    assert (304, b"", "wait=1") == (
        unchanged.status_code,
        unchanged.content,
        unchanged.headers["preference-applied"],
    )
    stranger = await ApiClient(stack.url).register()
    nothing = await stranger.http.get(f"/api/v1/tasks/{uuid.uuid4()}")
    for method, rest in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        refused = await stranger.http.request(method, f"{path}{rest}")
        assert (404, nothing.content) == (refused.status_code, refused.content)
    erased = await client.http.delete(path)
    assert (200, "task", path.rpartition("/")[2]) == (erased.status_code, erased.json()["kind"], erased.json()["id"])
    assert erased.json() == await client.get(f"/api/v1/erasures/{erased.json()['id']}")
    assert [404, 404, 404] == [
        (await client.http.request(*asked)).status_code
        for asked in (("GET", path), ("DELETE", path), ("GET", path.replace("tasks", "jobs")))
    ]
    long = await begin(client, text="A sentence of many about the harbour. " * 26_000)
    running = f"/api/v1/tasks/{long['task_id']}"
    cancelled = await client.http.delete(running)
    assert (202, "CANCELLED") == (cancelled.status_code, cancelled.json()["status"])
    await asyncio.sleep(0.3)
    assert "CANCELLED" == (await client.get(running))["status"]
    assert 200 == (await client.http.delete(running)).status_code
    for each in (client, stranger):
        await each.close()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"text": ""}, 422, "text"),
        ({}, 422, "text"),
        ({"text": 7}, 422, "text"),
        ({"text": "x" * 1_000_001}, 422, "text"),
        ({"text": "x", "template": "a b"}, 422, "template"),
        ({"text": "x", "options": {"unknown": 1}}, 422, "options.unknown"),
        ({"text": "x", "options": {"variables": {"a": "b"}}}, 422, "options.variables.a"),
        ({"text": "x", "callback_url": "ftp://example.com"}, 422, "callback_url"),
    ],
)
async def test_what_no_task_can_be(stack: Background, body: Json, status: int, field: str) -> None:
    """Told before anything is accepted."""
    client = await ApiClient(stack.url).register()
    answer = await client.http.post("/api/v1/tasks", json=body)
    assert (status, [field]) == (answer.status_code, list(answer.json()["details"]))
    assert 0 == (await client.get("/api/v1/tasks"))["total"]
    await client.close()


async def test_a_million_characters_and_no_more(stack: Background) -> None:
    """Characters, not bytes, however JSON writes them; a larger body is not read to its end."""
    client = await ApiClient(stack.url).register()
    text = "Ships call at the harbour. \U0001f6a2 " * 34_000
    answer = await client.http.post(
        "/api/v1/tasks",
        content=json.dumps({"text": text[:1_000_000], "template": "tags"}),
        headers={"content-type": "application/json"},
    )
    assert 202 == answer.status_code, answer.text
    task = await ended(client, answer.json()["task_id"])
    assert "COMPLETED" == task["status"]
    large = json.dumps({"text": "\U0001f6a2" * 1_100_000})
    refused = await client.http.post("/api/v1/tasks", content=large, headers={"content-type": "application/json"})
    assert (413, "body_too_large") == (refused.status_code, refused.json()["error"])
    await client.close()


async def test_templates_are_written_by_admins(stack: Background) -> None:
    """Members read and use them."""
    admin = await ApiClient(stack.url).register()
    member = await joined(admin, stack.url)
    body = {"name": "own", "instructions": "Sum up {{text}}", "description": "Ours.", "output_schema": TOTAL}
    made = await admin.http.post("/api/v1/templates", json=body)
    assert (201, "/api/v1/templates/own") == (made.status_code, made.headers["location"])
    assert made.json() | body == made.json()
    assert made.json() == await member.get("/api/v1/templates/own?version=1")
    assert "own" in [one["name"] for one in (await member.get("/api/v1/templates"))["items"]]
    for method, path, sent in (
        ("POST", "", {**body, "name": "other"}),
        ("PUT", "/own", {"instructions": "x"}),
        ("DELETE", "/own", None),
    ):
        refused = await member.http.request(method, f"/api/v1/templates{path}", json=sent)
        assert (403, "forbidden") == (refused.status_code, refused.json()["error"])
    taken = await admin.http.post("/api/v1/templates", json=body)
    assert (409, "template_exists") == (taken.status_code, taken.json()["error"])
    assert 409 == (await admin.http.post("/api/v1/templates", json={**body, "name": "tags"})).status_code
    assert 403 == (await admin.http.put("/api/v1/templates/tags", json={"instructions": "x"})).status_code
    assert 403 == (await admin.http.delete("/api/v1/templates/summary")).status_code
    for path in ("own?version=2", "none", "Own", "own%00"):
        assert 404 == (await admin.http.get(f"/api/v1/templates/{path}")).status_code
    renamed = await admin.http.put("/api/v1/templates/own", json={**body, "name": "another"})
    assert (422, ["name"]) == (renamed.status_code, list(renamed.json()["details"]))
    again = {"idempotency-key": uuid.uuid4().hex}
    second = {**body, "name": "second"}
    answers = [await admin.http.post("/api/v1/templates", json=second, headers=again) for _ in range(2)]
    assert (201, answers[0].content) == (answers[1].status_code, answers[1].content)
    for each in (admin, member):
        await each.close()
