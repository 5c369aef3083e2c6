"""For every operation and status that the OpenAPI document names, a request that is answered so.

Most are generic, by status alone. What an endpoint has of its own goes into SPECIFIC, one line each; what only a stack
set up otherwise can show goes into ELSEWHERE, with the test that does.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from services.gateway.endpoints import Desk
from tests.attacks.operations import Operation
from tests.attacks.people import PASSWORD, join
from tests.promises.scene import Scene, known_word
from tests.support.documents import scanned_pdf, text_pdf, truncated_pdf
from tests.support.gateway_auth import organization_id

Recipe = Callable[[Scene, Operation], Awaitable[httpx.Response]]

_JSON = "application/json"
_AT_ONCE, _TRIES = 8, 20
_API = "/api/v1"
_SIGN_IN = f"{_API}/auth/oauth/{{provider}}"
_MEMBER = f"{_API}/organizations/me/members/{{user_id}}"


async def success(scene: Scene, operation: Operation) -> httpx.Response:
    """The attack tests' good request, where need be by somebody who is not needed any more."""
    if operation.name in _APART:
        async with scene.world.attacking() as visitor:
            return await (await scene.good(operation, visitor)).send(visitor.person.http)
    return await (await scene.good(operation)).send(scene.client(operation))


async def dry_run(scene: Scene, operation: Operation) -> httpx.Response:
    """The same, asked what it would take."""
    sending = await scene.good(operation)
    return await replace(sending, query={**sending.query, "dry_run": "true"}).send(scene.client(operation))


async def unchanged(scene: Scene, operation: Operation) -> httpx.Response:
    """The same once more, with the entity tag of the first answer."""
    sending = await scene.good(operation)
    first = await sending.send(scene.client(operation))
    return await sending.send(scene.client(operation), **{"if-none-match": first.headers["etag"]})


async def malformed(scene: Scene, operation: Operation) -> httpx.Response:
    """No JSON, or where no body is read an idempotency key that is none."""
    client, sending = scene.client(operation), scene.blank(operation)
    if _media_type(operation) == _JSON:
        return await client.request(operation.method, _target(operation, sending.path), content=b"{", headers=_TYPED)
    return await sending.send(client, **{"idempotency-key": "k" * 256})


async def nobody(scene: Scene, operation: Operation) -> httpx.Response:
    """Without a credential."""
    return await scene.blank(operation).send(scene.nobody)


async def without_scope(scene: Scene, operation: Operation) -> httpx.Response:
    """With a key that is for something else."""
    return await scene.blank(operation).send(scene.nobody, **{"x-api-key": await scene.key_without(operation.scopes)})


async def nothing(scene: Scene, operation: Operation) -> httpx.Response:
    """For ids of nothing."""
    return await scene.blank(operation).send(scene.client(operation))


async def in_progress(scene: Scene, operation: Operation) -> httpx.Response:
    """Several at once under one idempotency key, until one finds another at work."""
    for _ in range(_TRIES):
        sending, key = await scene.good(operation), uuid.uuid4().hex
        at_once = (sending.send(scene.client(operation), **{"idempotency-key": key}) for _ in range(_AT_ONCE))
        for answer in await asyncio.gather(*at_once):
            if answer.status_code == 409:
                return answer
    pytest.fail(f"{operation.name}: never in progress")


async def expired(scene: Scene, operation: Operation) -> httpx.Response:
    """For something of the caller's whose time was up."""
    sending = scene.blank(operation)
    owner = scene.attacker.person
    for thing_id in sending.path.values():
        await scene.world.record.note_expired(thing_id, owner.organization_id, owner.user_id)
    return await sending.send(scene.client(operation))


async def too_large(scene: Scene, operation: Operation) -> httpx.Response:
    """A JSON body of more than a mebibyte."""
    path, content = _target(operation, scene.blank(operation).path), b" " * (1 << 20) + b"{}"
    return await scene.client(operation).request(operation.method, path, content=content, headers=_TYPED)


async def another_type(scene: Scene, operation: Operation) -> httpx.Response:
    """Plain text."""
    path, headers = _target(operation, scene.blank(operation).path), {"content-type": "text/plain"}
    return await scene.client(operation).request(operation.method, path, content=b"{}", headers=headers)


async def unknown_parameter(scene: Scene, operation: Operation) -> httpx.Response:
    """A query that nobody declared."""
    sending = replace(scene.blank(operation), query={"no_such_parameter": "1"})
    return await sending.send(scene.client(operation))


async def over_the_limit(scene: Scene, operation: Operation) -> httpx.Response:
    """At a gateway that takes one request an hour: the second."""
    async with scene.spent.client(None if operation.public else organization_id()) as client:
        await (scene.blank(operation).send(client) if operation.public else client.get("/api/v1/jobs"))
        return await scene.blank(operation).send(client)


async def defect(scene: Scene, operation: Operation) -> httpx.Response:
    """At a gateway in which something is wrong."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "serve", fail)
        async with scene.alone.client(organization_id()) as client:
            answer = await scene.blank(operation).send(client)
    assert "secret" not in answer.text
    return answer


async def neighbours_away(scene: Scene, operation: Operation) -> httpx.Response:
    """At a gateway that reaches nobody."""
    sending = scene.blank(operation)
    async with scene.alone.client(None if operation.public else organization_id()) as client:
        if operation.path.startswith("/auth/"):
            who = {"client_id": str(uuid.uuid4()), "client_secret": "of nobody", "grant_type": "client_credentials"}
            sending = replace(sending, body={"token": "of nobody", **who})
        return await sending.send(client)


GENERIC: dict[int, Recipe] = {
    304: unchanged,
    400: malformed,
    401: nobody,
    403: without_scope,
    404: nothing,
    409: in_progress,
    410: expired,
    413: too_large,
    415: another_type,
    422: unknown_parameter,
    429: over_the_limit,
    500: defect,
    503: neighbours_away,
}
"""By status, where the operation has no recipe of its own."""
_APART = ("POST /api/v1/auth/logout", "DELETE /api/v1/users/me", "PUT /api/v1/users/me/api-key")
"""What ends an account, or would have its analyses leave the machine."""
_TYPED = {"content-type": _JSON}


async def _login(scene: Scene, disabled: bool) -> httpx.Response:
    member = await join(scene.attacker.person)
    await member.close()
    if disabled:
        path = f"/organizations/me/members/{member.user_id}"
        await scene.attacker.person.send("PATCH", path, 200, json={"is_active": False})
    body = {"email": member.session["user"]["email"], "password": PASSWORD}
    return await scene.nobody.post(f"{_API}/auth/login", json=body)


async def logged_in(scene: Scene, operation: Operation) -> httpx.Response:
    """As a member."""
    return await _login(scene, disabled=False)


async def disabled(scene: Scene, operation: Operation) -> httpx.Response:
    """As a member who was disabled."""
    return await _login(scene, disabled=True)


async def refreshed(scene: Scene, operation: Operation) -> httpx.Response:
    """With the token that a new member was given."""
    member = await join(scene.attacker.person)
    await member.close()
    return await scene.nobody.post(operation.path, json={"refresh_token": member.session["refresh_token"]})


async def _invitation(scene: Scene) -> dict[str, str]:
    body = {"email": f"{uuid.uuid4().hex}@example.com"}
    invited = await scene.attacker.person.send("POST", "/organizations/me/members", 201, json=body)
    return {"token": invited["token"], "password": PASSWORD, "full_name": "Test Member"}


async def accepted(scene: Scene, operation: Operation) -> httpx.Response:
    """An invitation of the attacker's."""
    return await scene.nobody.post(operation.path, json=await _invitation(scene))


async def accepted_by_many(scene: Scene, operation: Operation) -> httpx.Response:
    """The same at once, under one idempotency key."""
    for _ in range(_TRIES):
        body, headers = await _invitation(scene), {"idempotency-key": uuid.uuid4().hex}
        at_once = (scene.nobody.post(operation.path, json=body, headers=headers) for _ in range(_AT_ONCE))
        for answer in await asyncio.gather(*at_once):
            if answer.status_code == 409:
                return answer
    pytest.fail("never in progress")


async def last_admin(scene: Scene, operation: Operation) -> httpx.Response:
    """The only admin of an organization that has another member."""
    async with scene.world.attacking() as admin:
        await (await join(admin.person)).close()
        path = operation.path.replace("{user_id}", admin.person.user_id)
        body = {"role": "user"} if operation.method == "PATCH" else None
        return await admin.person.http.request(operation.method, path, json=body)


async def _uploaded(scene: Scene, operation: Operation, content: bytes) -> str:
    files = {"file": ("a.pdf", content)}
    uploaded = await scene.attacker.person.send("POST", "/documents/upload", 201, files=files)
    await scene.attacker.person.send("GET", f"/jobs/{uploaded['job_id']}", 200, headers={"prefer": "wait=60"})
    return operation.path.replace("{document_id}", uploaded["id"])


async def of_what_cannot_be_read(scene: Scene, operation: Operation) -> httpx.Response:
    """Of a document that nobody could read."""
    path = await _uploaded(scene, operation, truncated_pdf())
    body = {"analysis_type": "summary"} if operation.method == "POST" else None
    for _ in range(_TRIES):
        answer = await scene.attacker.person.http.request(operation.method, path, json=body)
        if answer.status_code == 409:
            return answer
        await asyncio.sleep(0.2)
    return answer


def ranged(value: str) -> Recipe:
    """A part of a document."""

    async def send(scene: Scene, operation: Operation) -> httpx.Response:
        path = await _uploaded(scene, operation, text_pdf())
        return await scene.attacker.person.http.get(path, headers={"range": value})

    return send


async def larger_than_allowed(scene: Scene, operation: Operation) -> httpx.Response:
    """A file over the organization's limit."""
    async with scene.world.attacking() as visitor:
        await visitor.person.send("PUT", "/organizations/me", 200, json={"settings": {"max_file_size_mb": 1}})
        return await visitor.person.http.post(operation.path, files={"file": b"%PDF-" + b" " * (3 << 19)})


async def wrong_client(scene: Scene, operation: Operation) -> httpx.Response:
    """An OAuth client that there is not."""
    who = {"client_id": str(uuid.uuid4()), "client_secret": "of nobody"}
    form = {"grant_type": "client_credentials", "token": "of nobody", **who}
    return await scene.nobody.post(operation.path, data=form)


async def no_form(scene: Scene, operation: Operation) -> httpx.Response:
    """No OAuth request at all."""
    return await scene.nobody.post(operation.path, json={})


async def erased_key(scene: Scene, operation: Operation) -> httpx.Response:
    """A key of somebody who has one, and analyses nothing."""
    async with scene.world.attacking() as visitor:
        await visitor.person.send("PUT", "/users/me/api-key", 200, json={"anthropic_api_key": "sk-ant-api03-0123"})
        return await visitor.person.http.delete(operation.path)


async def no_key(scene: Scene, operation: Operation) -> httpx.Response:
    """The key that somebody has not, for a provider that there is."""
    return await scene.attacker.person.http.delete(operation.path.replace("{provider}", "xai"))


async def erased(scene: Scene, operation: Operation) -> httpx.Response:
    """A document, erased at once."""
    path = await _uploaded(scene, operation, text_pdf())
    return await scene.attacker.person.http.delete(path, params={"erase": "true"})


async def seen_to_the_end(scene: Scene, operation: Operation) -> httpx.Response:
    """Events of something that has ended, whose last event the client has."""
    sending = await scene.good(operation)
    events = (await sending.send(scene.client(operation))).text
    last = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id: ")][-1]
    return await sending.send(scene.client(operation), **{"last-event-id": last})


async def run_of_nothing(scene: Scene, operation: Operation) -> httpx.Response:
    """On a document that there is not."""
    body = {"source": {"document_id": str(uuid.uuid4())}}
    return await scene.attacker.person.http.post(operation.path, json=body)


async def run_of_what_expired(scene: Scene, operation: Operation) -> httpx.Response:
    """On a document whose time was up."""
    document_id, owner = str(uuid.uuid4()), scene.attacker.person
    await scene.world.record.note_expired(document_id, owner.organization_id, owner.user_id)
    return await owner.http.post(operation.path, json={"source": {"document_id": document_id}})


async def longer_than_any_text(scene: Scene, operation: Operation) -> httpx.Response:
    """A body in which the longest text would fit more than once."""
    content = b'{"text": "' + b" " * (14 << 20) + b'"}'
    return await scene.attacker.person.http.post(operation.path, content=content, headers=_TYPED)


async def unfinished_task(scene: Scene, operation: Operation) -> httpx.Response:
    """Of a file with so many pages that it takes a while."""
    files = {"file": ("a.pdf", scanned_pdf(pages=30))}
    task = await scene.attacker.person.send("POST", "/tasks/file", 202, files=files)
    return await scene.attacker.person.http.delete(operation.path.replace("{task_id}", task["task_id"]))


async def not_fetched_yet(scene: Scene, operation: Operation) -> httpx.Response:
    """The document of a run whose URL leads to nobody, which is found out several times before it is believed."""
    body = {"source": {"url": "http://127.0.0.1:9/nothing.pdf"}}
    run = await scene.attacker.person.send("POST", "/runs", 202, json=body)
    run = await scene.attacker.person.send("GET", f"/runs/{run['id']}", 200)
    return await scene.attacker.person.http.get(operation.path.replace("{document_id}", run["document_id"]))


SPECIFIC: dict[tuple[str, int], Recipe] = {
    ("POST /api/v1/auth/login", 200): logged_in,
    ("POST /api/v1/auth/login", 401): nobody,
    ("POST /api/v1/auth/login", 403): disabled,
    ("POST /api/v1/auth/refresh", 200): refreshed,
    ("POST /api/v1/auth/refresh", 401): nobody,
    ("POST /api/v1/auth/invitations/accept", 201): accepted,
    ("POST /api/v1/auth/invitations/accept", 409): accepted_by_many,
    ("DELETE /api/v1/users/me", 409): last_admin,
    ("DELETE /api/v1/users/me/api-key", 204): erased_key,
    ("DELETE /api/v1/users/me/provider-keys/{provider}", 404): no_key,
    (f"PATCH {_MEMBER}", 409): last_admin,
    (f"DELETE {_MEMBER}", 409): last_admin,
    ("DELETE /api/v1/documents/{document_id}", 200): erased,
    ("GET /api/v1/documents/{document_id}/download", 409): not_fetched_yet,
    ("DELETE /api/v1/tasks/{task_id}", 202): unfinished_task,
    ("POST /api/v1/runs", 404): run_of_nothing,
    ("POST /api/v1/runs", 410): run_of_what_expired,
    ("POST /api/v1/runs", 413): longer_than_any_text,
    ("POST /api/v1/tasks", 413): longer_than_any_text,
    ("POST /api/v1/tasks/file", 413): larger_than_allowed,
    **{(f"GET {_API}/{name}s/{{{name}_id}}/events", 204): seen_to_the_end for name in ("job", "task")},
    ("POST /api/v1/documents/upload", 413): larger_than_allowed,
    ("GET /api/v1/documents/{document_id}/searchable-pdf", 409): of_what_cannot_be_read,
    ("POST /api/v1/documents/{document_id}/analyze", 409): of_what_cannot_be_read,
    ("GET /api/v1/documents/{document_id}/download", 206): ranged("bytes=0-9"),
    ("GET /api/v1/documents/{document_id}/download", 416): ranged("bytes=999999999-"),
    **{(f"POST /auth/{name}", 400): no_form for name in ("token", "revoke", "introspect")},
    **{(f"POST /auth/{name}", 401): wrong_client for name in ("token", "revoke", "introspect")},
}
"""By operation and status."""

_PROVIDERS = "tests.contract.test_sign_in."
ELSEWHERE: dict[tuple[str, int], str] = {
    (f"GET {_SIGN_IN}/authorize", 302): f"{_PROVIDERS}test_the_browser_is_sent_to_the_issuer_with_everything_it_needs",
    (f"POST {_SIGN_IN}", 200): f"{_PROVIDERS}test_a_first_sign_in_makes_an_account_and_an_organization",
    (f"POST {_SIGN_IN}", 400): f"{_PROVIDERS}test_a_page_that_binds_refuses_what_was_begun_elsewhere",
    (f"POST {_SIGN_IN}", 403): f"{_PROVIDERS}test_a_disabled_account_stays_closed",
}
"""What needs more than a stack as it comes, by the test that shows it."""


def recipe_of(operation: Operation, status: int) -> Recipe | None:
    """How to provoke the status; None when nobody has said so yet."""
    if specific := SPECIFIC.get((operation.name, status)):
        return specific
    if status == 200 and "dry_run" in operation.queried:
        return dry_run
    return success if 200 <= status < 300 else GENERIC.get(status)


def _media_type(operation: Operation) -> str:
    return operation.body[0] if operation.body else ""


def _target(operation: Operation, path: dict[str, str]) -> str:
    return operation.path.format_map({**path, **known_word(operation)})
