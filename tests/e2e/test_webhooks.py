"""Webhooks by a whole stack: from an upload to a receiver on this machine, which verifies what it gets."""

import uuid
from typing import Any

from standardwebhooks import Webhook

from cli.background import Background
from tests.e2e.test_sharing import joined
from tests.support.broker import eventually
from tests.support.client import ApiClient
from tests.support.documents import text_pdf
from tests.support.receiver import Say, receiving

_API = "/api/v1"
_HOOKS = f"{_API}/webhooks"


async def delivered(client: ApiClient, job: str) -> dict[str, Any]:
    """The job's only delivery once somebody has taken it."""

    async def is_delivered() -> bool:
        return bool((await client.get(f"{_HOOKS}/deliveries?job_id={job}&status=delivered"))["total"] == 1)

    await eventually(is_delivered)
    found: dict[str, Any] = (await client.get(f"{_HOOKS}/deliveries?job_id={job}"))["items"][0]
    return found


async def test_uploads_and_analyses_call_back(stack: Background) -> None:
    """Both are told of, verifiably, with ids and URLs and no word of the document."""
    client = await ApiClient(stack.url).register()
    secret = (await client.get(f"{_HOOKS}/secret"))["secret"]
    async with receiving() as receiver:
        form = {"callback_url": receiver.url + "/upload"}
        files = {"file": ("secret-name.pdf", text_pdf(text="The word is zanzibar."))}
        uploaded = (await client.http.post(f"{_API}/documents/upload", files=files, data=form)).json()
        (hit,) = await receiver.got("/upload")
        event = Webhook(secret).verify(hit.body, hit.headers)
        assert ("job.completed", uploaded["job_id"]) == (event["type"], event["data"]["job_id"])
        assert 200 == (await client.http.get(event["data"]["status_url"])).status_code
        assert 1 == (await client.get(event["data"]["result_url"]))["total"]
        assert not any(word in hit.body for word in (b"zanzibar", b"secret-name"))
        delivery = await delivered(client, uploaded["job_id"])
        assert (hit.id, 1, 204, None) == tuple(
            delivery[name] for name in ("id", "attempts", "last_status_code", "last_error")
        )

        body = {"analysis_type": "summary", "callback_url": receiver.url + "/analysis"}
        analysis = await client.http.post(f"{_API}/documents/{uploaded['id']}/analyze", json=body)
        (hit,) = await receiver.got("/analysis")
        event = Webhook(secret).verify(hit.body, hit.headers)
        assert ("analysis", analysis.json()["job_id"]) == (event["data"]["job_type"], event["data"]["job_id"])
        assert 1 == len((await client.get(event["data"]["result_url"]))["analyses"])
    await client.close()


async def test_deliveries_are_looked_up_and_made_again(stack: Background) -> None:
    """A delivery tells its attempts; one that was given up is made again on demand; a repeat by key asks once."""
    client = await ApiClient(stack.url).register()
    async with receiving() as receiver:
        made = await client.http.post(f"{_HOOKS}/test", json={"url": receiver.plan("/t", Say(410))})
        where = made.headers["location"]
        assert (202, f"{_HOOKS}/deliveries/{made.json()['id']}") == (made.status_code, where)

        async def has(status: str) -> bool:
            return bool((await client.get(where))["status"] == status)

        await eventually(lambda: has("failed"))
        for key in (str(uuid.uuid4()),) * 2:
            again = await client.http.post(f"{where}/redeliver", headers={"idempotency-key": key})
            assert 202 == again.status_code, again.text
        await eventually(lambda: has("delivered"))
        shown = await client.get(where)
        assert [(1, 410, "gone"), (2, 204, None)] == [
            (attempt["number"], attempt["status_code"], attempt["error"]) for attempt in shown["attempt_log"]
        ]
        assert 2 == len(receiver.of("/t"))
    await client.close()


async def test_what_is_refused(stack: Background) -> None:
    """Addresses and malformed URLs, with the field that is wrong; strangers get what they would for nothing."""
    client, stranger = await ApiClient(stack.url).register(), await ApiClient(stack.url).register()
    files = {"file": ("a.pdf", text_pdf())}
    for url, code in (("http://10.1.2.3/", "address_not_allowed"), ("mailto:a@b.example", "validation_error")):
        answers = [
            await client.http.post(f"{_API}/documents/upload", files=files, data={"callback_url": url}),
            await client.http.post(
                f"{_API}/documents/{uuid.uuid4()}/analyze", json={"analysis_type": "summary", "callback_url": url}
            ),
        ]
        for answer in answers:
            assert (422, code) == (answer.status_code, answer.json()["error"])
            assert ["callback_url"] == list(answer.json()["details"])
        answer = await client.http.post(f"{_HOOKS}/test", json={"url": url})
        assert (422, ["url"]) == (answer.status_code, list(answer.json()["details"]))
    async with receiving() as receiver:
        made = (await client.http.post(f"{_HOOKS}/test", json={"url": receiver.url})).json()
    path = f"{_HOOKS}/deliveries/{made['id']}"
    for method, rest in (("GET", ""), ("POST", "/redeliver")):
        theirs = await stranger.http.request(method, path + rest)
        nothing = await stranger.http.request(method, f"{_HOOKS}/deliveries/{uuid.uuid4()}{rest}")
        assert (404, nothing.content) == (theirs.status_code, theirs.content)
    for wrong in ("status=lost", "job_id=x", "page=0"):
        assert 422 == (await client.http.get(f"{_HOOKS}/deliveries?{wrong}")).status_code
    await client.close()
    await stranger.close()


async def test_the_secret_is_for_admins(stack: Background) -> None:
    """Members get 403 from reading and rotating; a rotation repeated by its key is one."""
    admin = await ApiClient(stack.url).register()
    member = await joined(admin, stack.url)
    assert 403 == (await member.http.get(f"{_HOOKS}/secret")).status_code
    assert 403 == (await member.http.post(f"{_HOOKS}/secret/rotate")).status_code
    key = {"idempotency-key": "rotate"}
    first, again = [await admin.http.post(f"{_HOOKS}/secret/rotate", headers=key) for _ in range(2)]
    now = await admin.http.get(f"{_HOOKS}/secret")
    assert (200, 2, "no-store") == (first.status_code, first.json()["version"], first.headers["cache-control"])
    assert first.json() == again.json() == now.json()
    assert now.json()["previous_valid_until"] > now.json()["rotated_at"]
    for client in (admin, member):
        await client.close()
