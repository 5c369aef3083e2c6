"""Who reads whose documents, by a whole stack."""

import uuid

import httpx

from cli.background import Background
from tests.support.broker import eventually
from tests.support.client import ApiClient
from tests.support.documents import text_pdf


async def joined(admin: ApiClient, url: str) -> ApiClient:
    """A new member of the admin's organization."""
    email = f"{uuid.uuid4().hex}@example.com"
    invited = await admin.http.post("/api/v1/organizations/me/members", json={"email": email, "role": "user"})
    asked = {"token": invited.json()["token"], "password": "a long enough phrase", "full_name": "Test Member"}
    member = ApiClient(url)
    accepted = (await member.http.post("/api/v1/auth/invitations/accept", json=asked)).json()
    member.http.headers["authorization"] = f"Bearer {accepted['access_token']}"
    return member


async def answers(client: ApiClient, document: str, job: str) -> set[int]:
    """The statuses of every call that reads the document."""
    paths = [f"/api/v1/jobs/{job}"] + [
        f"/api/v1/documents/{document}{rest}"
        for rest in ("", "/pages", "/text", "/tables", "/download", "/searchable-pdf", "/analysis")
    ]
    return {(await client.http.get(path)).status_code for path in paths}


async def listed(client: ApiClient) -> set[int]:
    """How many there are in lists and searches."""
    paths = ("documents", "jobs", "documents?search=text.pdf", "documents?search_in=content&search=totals")
    return {(await client.get(f"/api/v1/{path}"))["total"] for path in paths}


async def share(admin: ApiClient, allowed: bool) -> None:
    """Changes the organization."""
    changed: httpx.Response = await admin.http.put(
        "/api/v1/organizations/me", json={"settings": {"allow_sharing": allowed}}
    )
    assert 200 == changed.status_code


async def test_members_see_what_is_shared(stack: Background) -> None:
    """All while sharing is on, their own while it is off; admins see all, and other organizations nothing."""
    admin = await ApiClient(stack.url).register()
    ada, bob = await joined(admin, stack.url), await joined(admin, stack.url)
    body = (await ada.upload("text.pdf", text_pdf())).json()
    document, job = body["id"], body["job_id"]
    await ada.ended(job)
    for client in (ada, bob, admin):
        assert ({200}, {1}) == (await answers(client, document, job), await listed(client))
    await share(admin, False)

    async def hidden() -> bool:
        return {404} == await answers(bob, document, job)

    await eventually(hidden)
    assert {0} == await listed(bob)
    for client in (ada, admin):
        assert ({200}, {1}) == (await answers(client, document, job), await listed(client))
    analysis = await bob.http.post(f"/api/v1/documents/{document}/analyze", json={"analysis_type": "summary"})
    deletion = await bob.http.delete(f"/api/v1/documents/{document}")
    decisions = [await bob.http.post(f"/api/v1/jobs/{job}/{what}") for what in ("cancel", "retry")]
    assert [404, 404] == [decision.status_code for decision in decisions]
    nothing = await bob.http.get(f"/api/v1/documents/{uuid.uuid4()}")
    assert [nothing.json()["error"]] * 2 == [one.json()["error"] for one in (analysis, deletion)]
    assert (404, 404) == (analysis.status_code, deletion.status_code)
    assert 200 == (await ada.http.get(f"/api/v1/documents/{document}")).status_code
    stranger = await ApiClient(stack.url).register()
    assert ({404}, {0}) == (await answers(stranger, document, job), await listed(stranger))
    await share(admin, True)

    async def shown() -> bool:
        return {200} == await answers(bob, document, job)

    await eventually(shown)
    for client in (admin, ada, bob, stranger):
        await client.close()
