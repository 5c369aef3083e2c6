"""Webhooks of the results service: real database, broker and receivers, which misbehave as the test says."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import InvalidArgument, NotFound
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1 import webhooks_pb2 as pb
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.runs_pb2 import GetQueueRequest
from pagemesh.results.v1.runs_pb2_grpc import RunServiceStub
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceStub
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import SUMMARY, Results, found, inspected
from tests.support.broker import eventually
from tests.support.receiver import HANG, RESET, Receiver, Say, receiving
from tests.support.servers import NatsServer
from tests.support.services import Caller, Hands, running

_PENDING, _DELIVERED, _FAILED = (
    pb.WEBHOOK_DELIVERY_STATE_PENDING,
    pb.WEBHOOK_DELIVERY_STATE_DELIVERED,
    pb.WEBHOOK_DELIVERY_STATE_FAILED,
)


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service, quick to try again."""
    return ResultsSettings(
        listen=f"unix:{server_directory}/webhooks.sock",
        database_url=SecretStr(fresh_database()),
        webhook_secret=SecretStr("known to results alone"),
        webhook_pauses="0.05 0.1",
        webhook_give_up_seconds=60,
        webhook_attempt_seconds=0.5,
        allowed_private_networks="127.0.0.1",
        public_url="https://pagemesh.example/",
        **common,
    )


@dataclass
class Hooks:
    """The service, its workers and a receiver."""

    results: Results
    stub: Any
    receiver: Receiver
    settings: ResultsSettings

    async def submit(self, caller: Caller, url: str, **more: Any) -> Any:
        """A new job that calls back."""
        _, job = await self.results.submit(caller, config=JobConfig(callback_url=url, **more))
        return job

    async def completed(self, caller: Caller, url: str) -> Any:
        """A job that has completed."""
        job = await self.submit(caller, url)
        await self.finish(job)
        return await self.results.ended(caller, job.id)

    async def finish(self, job: Any) -> None:
        """Has the job's only task done."""
        held = await self.results.hands.next(job.document_id, "inspect")
        await held.finish(inspected([False], await self.results.outcomes(1)))

    async def deliveries(self, caller: Caller, **match: Any) -> list[pb.WebhookDelivery]:
        """The caller's deliveries."""
        answer = await caller.call(self.stub.ListWebhookDeliveries, pb.ListWebhookDeliveriesRequest(**match))
        return list(answer.deliveries)

    async def ended(self, caller: Caller, job_id: str) -> pb.GetWebhookDeliveryResponse:
        """The job's delivery once it has ended."""

        async def is_ended() -> bool:
            found = await self.deliveries(caller, job_id=job_id)
            return bool(found) and found[0].state != _PENDING

        await eventually(is_ended)
        return await self.delivery(caller, (await self.deliveries(caller, job_id=job_id))[0].id)

    async def delivery(self, caller: Caller, delivery_id: str) -> pb.GetWebhookDeliveryResponse:
        """A delivery with its attempts."""
        request = pb.GetWebhookDeliveryRequest(delivery_id=delivery_id)
        answer: pb.GetWebhookDeliveryResponse = await caller.call(self.stub.GetWebhookDelivery, request)
        return answer

    async def waiting(self, caller: Caller) -> tuple[int, int]:
        """How many of the caller's organization's wait, and the age of the oldest in milliseconds."""
        answer = await caller.call(RunServiceStub(self.results.channel).GetQueue, GetQueueRequest())
        return next(((one.depth, one.oldest_age_ms) for one in answer.kinds if one.kind == "deliver"), (0, 0))

    async def secret(self, caller: Caller) -> pb.WebhookSecret:
        """The caller's secret."""
        answer: pb.GetWebhookSecretResponse = await caller.call(
            self.stub.GetWebhookSecret, pb.GetWebhookSecretRequest()
        )
        return answer.secret


@pytest.fixture(scope="module")
async def hooks(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Hooks]:
    """Everything, running."""
    hands = Hands(bus)
    async with receiving() as receiver, running(serve, settings) as channel:
        await hands.start()
        results = Results(channel, hands, Blobs(settings.storage_url))
        yield Hooks(results, WebhookServiceStub(channel), receiver, settings)
        await hands.stop()


async def test_word_of_a_completed_job(hooks: Hooks, ada: Caller) -> None:
    """The receiver verifies it with the organization's secret; it holds ids and URLs, nothing of the content."""
    job = await hooks.completed(ada, hooks.receiver.url + "/completed")
    (hit,) = await hooks.receiver.got("/completed")
    event = Webhook((await hooks.secret(ada)).secret).verify(hit.body, hit.headers)
    delivery = (await hooks.ended(ada, job.id)).delivery
    at = event.pop("timestamp")
    assert {
        "type": "job.completed",
        "data": {
            "job_id": job.id,
            "document_id": job.document_id,
            "job_type": "text_extraction",
            "status": "completed",
            "status_url": f"https://pagemesh.example/api/v1/jobs/{job.id}",
            "result_url": f"https://pagemesh.example/api/v1/documents/{job.document_id}/pages",
        },
    } == event
    assert at == delivery.created_at.ToJsonString()[: len(at) - 1] + "Z"
    assert ("application/json", delivery.id) == (hit.headers["content-type"], hit.id)
    assert (_DELIVERED, 1, 204, "") == _state(delivery)
    assert delivery.HasField("delivered_at")
    assert not delivery.HasField("next_attempt_at")


async def test_word_of_other_ends(hooks: Hooks, ada: Caller) -> None:
    """Failures, analyses and deletions end jobs too; the job's config tells the URL back."""
    failed = await hooks.submit(ada, hooks.receiver.url + "/failed")
    assert hooks.receiver.url + "/failed" == failed.config.callback_url
    await (await hooks.results.hands.next(failed.document_id, "inspect")).fail("corrupt_document")
    (hit,) = await hooks.receiver.got("/failed")
    data = json.loads(hit.body)["data"]
    assert ("job.failed", "failed", None) == (json.loads(hit.body)["type"], data["status"], data["result_url"])

    document, _ = await hooks.results.read(ada)
    await eventually(lambda: _is_completed(hooks, ada, document.id))
    request = results_pb2.SubmitAnalysisRequest(
        document_id=document.id, job_id=str(uuid.uuid4()), config=SUMMARY, callback_url=hooks.receiver.url + "/analysis"
    )
    analysis = (await ada.call(hooks.results.jobs.SubmitAnalysis, request)).job
    await (await hooks.results.hands.next(document.id, "analyze")).finish(found())
    (hit,) = await hooks.receiver.got("/analysis")
    data = json.loads(hit.body)["data"]
    assert (analysis.id, "analysis") == (data["job_id"], data["job_type"])
    assert data["result_url"].endswith(f"/documents/{document.id}/analysis")

    deleted = await hooks.submit(ada, hooks.receiver.url + "/deleted")
    deletion = results_pb2.DeleteDocumentRequest(document_id=deleted.document_id)
    await ada.call(hooks.results.documents.DeleteDocument, deletion)
    (hit,) = await hooks.receiver.got("/deleted")
    assert ("job.cancelled", "cancelled") == (json.loads(hit.body)["type"], json.loads(hit.body)["data"]["status"])


async def test_nobody_is_told_who_did_not_ask(hooks: Hooks, ada: Caller) -> None:
    """A job without a URL makes no delivery."""
    _, job = await hooks.results.read(ada)
    await hooks.results.ended(ada, job.id)
    assert [] == await hooks.deliveries(ada, job_id=job.id)


async def test_receivers_that_misbehave_are_tried_again(hooks: Hooks, ada: Caller) -> None:
    """Errors, silence, resets and redirects are no success; attempts share an id and have signatures of their own."""
    away = Say(302, {"location": hooks.receiver.url + "/private"})
    url = hooks.receiver.plan("/bad", Say(500, body=b"x" * 100_000), HANG, RESET, away, Say(404))
    job = await hooks.completed(ada, url)
    told = await hooks.ended(ada, job.id)
    assert (_DELIVERED, 6, 204, "") == _state(told.delivery)
    expected = [(500, "http_status"), (0, "timeout"), (0, "connection_failed"), (302, "http_status")]
    expected += [(404, "http_status"), (204, "")]
    assert expected == [(attempt.status_code, attempt.error) for attempt in told.attempts]
    assert list(range(1, 7)) == [attempt.number for attempt in told.attempts]
    assert 450 < told.attempts[1].duration_ms < 2_000
    hits = hooks.receiver.of("/bad")
    assert ({told.delivery.id}, 1) == ({hit.id for hit in hits}, len({hit.body for hit in hits}))
    secret = Webhook((await hooks.secret(ada)).secret)
    assert 6 == len([secret.verify(hit.body, hit.headers) for hit in hits])
    assert [] == hooks.receiver.of("/private")


async def test_a_receiver_that_is_gone_is_left_alone(hooks: Hooks, ada: Caller) -> None:
    """410 ends it at once."""
    job = await hooks.completed(ada, hooks.receiver.plan("/gone", Say(410)))
    told = await hooks.ended(ada, job.id)
    assert (_FAILED, 1, 410, "gone") == _state(told.delivery)
    assert not told.delivery.HasField("next_attempt_at")


async def test_a_receiver_says_when(hooks: Hooks, ada: Caller) -> None:
    """429 and 503 with Retry-After are heard."""
    paths = {f"/later{status}": Say(status, {"retry-after": "1"}) for status in (429, 503)}
    for path, answer in paths.items():
        await hooks.completed(ada, hooks.receiver.plan(path, answer))
    for path in paths:
        first, second = await hooks.receiver.got(path, 2)
        assert second.at - first.at >= 1


async def test_a_delivery_is_made_again_when_asked(hooks: Hooks, ada: Caller) -> None:
    """Whatever came of it; the event keeps its id, and attempts are counted on."""
    job = await hooks.completed(ada, hooks.receiver.plan("/again", Say(410)))
    delivery = (await hooks.ended(ada, job.id)).delivery
    for attempts in (2, 3):
        request = pb.RedeliverWebhookRequest(delivery_id=delivery.id)
        begun = (await ada.call(hooks.stub.RedeliverWebhook, request)).delivery
        assert (_PENDING, attempts - 1) == (begun.state, begun.attempts)
        assert not begun.HasField("delivered_at")
        assert (_DELIVERED, attempts, 204, "") == _state((await hooks.ended(ada, job.id)).delivery)
    assert {delivery.id} == {hit.id for hit in hooks.receiver.of("/again")}


async def test_what_waits_is_in_the_queue(hooks: Hooks, ada: Caller, bob: Caller) -> None:
    """Until a receiver takes it, pauses included; of the organization alone, and as old as when it was made."""
    before, theirs = await hooks.waiting(ada), await hooks.waiting(bob)
    job = await hooks.completed(ada, hooks.receiver.plan("/waits", Say(503, {"retry-after": "30"})))
    await eventually(lambda: _was_tried(hooks, ada, job.id))
    depth, age = await hooks.waiting(ada)
    assert (before[0] + 1, True, theirs) == (depth, 0 < age < 60_000, await hooks.waiting(bob))
    (delivery,) = await hooks.deliveries(ada, job_id=job.id)
    await ada.call(hooks.stub.RedeliverWebhook, pb.RedeliverWebhookRequest(delivery_id=delivery.id))
    await hooks.ended(ada, job.id)
    assert before[0] == (await hooks.waiting(ada))[0]


async def test_a_rotated_secret_signs_beside_the_new_one(hooks: Hooks, bob: Caller) -> None:
    """For a day, receivers verify with either; a repeated request rotates once."""
    before = await hooks.secret(bob)
    assert (1, False) == (before.version, before.HasField("rotated_at"))
    request = pb.RotateWebhookSecretRequest(request_id=str(uuid.uuid4()))
    after = (await bob.call(hooks.stub.RotateWebhookSecret, request)).secret
    assert after == (await bob.call(hooks.stub.RotateWebhookSecret, request)).secret == await hooks.secret(bob)
    assert (2, 24 * 3_600) == (after.version, after.previous_until.seconds - after.rotated_at.seconds)
    await hooks.completed(bob, hooks.receiver.url + "/rotated")
    (hit,) = await hooks.receiver.got("/rotated")
    assert 2 == len(hit.headers["webhook-signature"].split())
    for secret in (before.secret, after.secret):
        assert "job.completed" == Webhook(secret).verify(hit.body, hit.headers)["type"]
    third = (await bob.call(hooks.stub.RotateWebhookSecret, pb.RotateWebhookSecretRequest())).secret
    with pytest.raises(WebhookVerificationError):
        Webhook(third.secret).verify(hit.body, hit.headers)


async def test_secrets_differ(hooks: Hooks, ada: Caller, bob: Caller) -> None:
    """One organization's secret verifies nothing of another's."""
    assert (await hooks.secret(ada)).secret != (await hooks.secret(bob)).secret


async def test_a_test_event(hooks: Hooks, ada: Caller) -> None:
    """It goes the way of the others; a repeat makes no second one."""
    request = pb.TestWebhookRequest(delivery_id=str(uuid.uuid4()), url=hooks.receiver.url + "/test")
    made = (await ada.call(hooks.stub.TestWebhook, request)).delivery
    (hit,) = await hooks.receiver.got("/test")
    assert ("webhook.test", {"delivery_id": made.id}) == (json.loads(hit.body)["type"], json.loads(hit.body)["data"])
    await eventually(lambda: _is_delivered(hooks, ada, made.id))
    assert made.id == (await ada.call(hooks.stub.TestWebhook, request)).delivery.id
    assert 1 == len(hooks.receiver.of("/test"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("http://[::1]/", "ADDRESS_NOT_ALLOWED"),
        ("http://169.254.169.254/latest", "ADDRESS_NOT_ALLOWED"),
        ("ftp://example.org/", "INVALID_ARGUMENT"),
        ("http://user:pass@example.org/", "INVALID_ARGUMENT"),
    ],
)
async def test_urls_that_are_not_taken(hooks: Hooks, ada: Caller, url: str, reason: str) -> None:
    """By whichever method: nothing is recorded."""
    with pytest.raises(InvalidArgument) as caught:
        await hooks.submit(ada, url)
    assert (reason, "callback_url") == (caught.value.reason, caught.value.details["field"])
    request = results_pb2.SubmitAnalysisRequest(
        document_id=str(uuid.uuid4()), job_id=str(uuid.uuid4()), config=SUMMARY, callback_url=url
    )
    with pytest.raises(InvalidArgument):
        await ada.call(hooks.results.jobs.SubmitAnalysis, request)
    with pytest.raises(InvalidArgument) as caught:
        await ada.call(hooks.stub.TestWebhook, pb.TestWebhookRequest(delivery_id=str(uuid.uuid4()), url=url))
    assert "url" == caught.value.details["field"]


async def test_names_are_judged_when_they_are_called(
    hooks: Hooks, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads to a private address is not connected to, however good it looked."""
    import socket

    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host == "rebound.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    port = hooks.receiver.url.rpartition(":")[2]
    job = await hooks.completed(ada, f"http://rebound.example:{port}/rebound")
    await eventually(lambda: _was_tried(hooks, ada, job.id))
    (delivery,) = await hooks.deliveries(ada, job_id=job.id)
    assert ("address_not_allowed", 0) == (delivery.last_error, delivery.last_status_code)
    assert [] == hooks.receiver.of("/rebound")


async def test_deliveries_are_listed(hooks: Hooks, ada: Caller) -> None:
    """By job and state, newest first, a page at a time."""
    jobs = [await hooks.completed(ada, hooks.receiver.plan(f"/list{n}", Say(410))) for n in range(2)]
    for job in jobs:
        await hooks.ended(ada, job.id)
    failed = await hooks.deliveries(ada, state=_FAILED)
    assert [job.id for job in reversed(jobs)] == [delivery.job_id for delivery in failed[:2]]
    assert [failed[1]] == await hooks.deliveries(ada, state=_FAILED, page=2, per_page=1)
    assert [] == await hooks.deliveries(ada, state=_DELIVERED, job_id=jobs[0].id)
    for wrong in ({"per_page": 101}, {"page": -1}, {"state": 9}, {"job_id": "x"}):
        with pytest.raises(InvalidArgument):
            await hooks.deliveries(ada, **wrong)


async def test_other_organizations_see_nothing(hooks: Hooks, ada: Caller, bob: Caller) -> None:
    """Somebody else's delivery is like none."""
    job = await hooks.completed(ada, hooks.receiver.url + "/ours")
    delivery = (await hooks.ended(ada, job.id)).delivery
    assert [] == await hooks.deliveries(bob, job_id=job.id)
    for method, request in _about(hooks, delivery.id):
        with pytest.raises(NotFound) as theirs:
            await bob.call(method, request)
        request.delivery_id = str(uuid.uuid4())
        with pytest.raises(NotFound) as nobodys:
            await bob.call(method, request)
        assert theirs.value.message == nobodys.value.message
    assert 1 == len(hooks.receiver.of("/ours"))


async def test_two_replicas_deliver_once(hooks: Hooks, ada: Caller, server_directory: Path) -> None:
    """Whichever takes it."""
    other = hooks.settings.model_copy(update={"listen": f"unix:{server_directory}/webhooks2.sock"})
    async with running(serve, other):
        jobs = await asyncio.gather(*(hooks.submit(ada, hooks.receiver.url + "/twice") for _ in range(12)))
        await asyncio.gather(*(hooks.finish(job) for job in jobs))
        for job in jobs:
            assert (_DELIVERED, 1, 204, "") == _state((await hooks.ended(ada, job.id)).delivery)
    assert 12 == len(hooks.receiver.of("/twice")) == len({hit.id for hit in hooks.receiver.of("/twice")})


async def test_a_wiped_broker_loses_no_delivery(hooks: Hooks, ada: Caller, nats_server: NatsServer) -> None:
    """What waits is found in the record."""
    job = await hooks.completed(ada, hooks.receiver.plan("/wiped", Say(503, {"retry-after": "2"})))
    await hooks.receiver.got("/wiped")
    nats_server.wipe()
    assert (_DELIVERED, 2, 204, "") == _state((await hooks.ended(ada, job.id)).delivery)


def _about(hooks: Hooks, delivery_id: str) -> list[tuple[Any, Any]]:
    return [
        (hooks.stub.GetWebhookDelivery, pb.GetWebhookDeliveryRequest(delivery_id=delivery_id)),
        (hooks.stub.RedeliverWebhook, pb.RedeliverWebhookRequest(delivery_id=delivery_id)),
    ]


def _state(delivery: pb.WebhookDelivery) -> tuple[int, int, int, str]:
    return (delivery.state, delivery.attempts, delivery.last_status_code, delivery.last_error)


async def _is_completed(hooks: Hooks, caller: Caller, document_id: str) -> bool:
    return bool((await hooks.results.document(caller, document_id)).state == 3)


async def _is_delivered(hooks: Hooks, caller: Caller, delivery_id: str) -> bool:
    return (await hooks.delivery(caller, delivery_id)).delivery.state == _DELIVERED


async def _was_tried(hooks: Hooks, caller: Caller, job_id: str) -> bool:
    found = await hooks.deliveries(caller, job_id=job_id)
    return bool(found) and bool(found[0].last_error)
