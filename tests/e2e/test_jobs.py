"""Jobs by a whole stack: tried again, and foretold."""

from cli.background import Background
from tests.support.client import ApiClient
from tests.support.documents import encrypted_pdf, scanned_pdf


async def test_a_failed_job_is_tried_again(stack: Background) -> None:
    """202 and pending; it fails for the same reason, and is what it was but for the attempts."""
    client = await ApiClient(stack.url).register()
    uploaded = (await client.upload("closed.pdf", encrypted_pdf("a password"))).json()
    failed = await client.ended(uploaded["job_id"])
    answer = await client.http.post(f"/api/v1/jobs/{failed['id']}/retry")
    again = answer.json()
    assert (202, f"/api/v1/jobs/{failed['id']}", True) == (
        answer.status_code,
        answer.headers["location"],
        int(answer.headers["retry-after"]) >= 1,
    )
    assert ("pending", 2, None, None) == (again["status"], again["attempts"], again["error"], again["completed_at"])
    ended = await client.ended(failed["id"])
    assert ("failed", 2, failed["error"]) == (ended["status"], ended["attempts"], ended["error"])
    cancelled = await client.http.post(f"/api/v1/jobs/{failed['id']}/cancel")
    assert (409, "failed") == (cancelled.status_code, cancelled.json()["details"]["state"])
    await client.close()


async def test_estimates_change_with_the_job_alone(stack: Background) -> None:
    """Rates are measured while pages are read; the same revision is told with the same estimate and tag."""
    client = await ApiClient(stack.url).register()
    uploaded = (await client.upload("scan.pdf", scanned_pdf(12))).json()
    seen: dict[str, tuple[str, int | None]] = {}
    while True:
        answer = await client.http.get(f"/api/v1/jobs/{uploaded['job_id']}")
        job = answer.json()
        told = (answer.headers["etag"], job["estimated_seconds_left"])
        assert told == seen.setdefault(job["updated_at"], told)
        if job["status"] == "completed":
            break
    estimates = [seconds for _, seconds in seen.values()]
    assert any(estimates)
    assert estimates[-1] is None
    await client.close()
