"""Webhooks, as far as they need no server: schedules, signatures, payloads, secrets."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from mesh.addresses import Allowed
from mesh.errors import InvalidArgument, Unavailable
from services.results.settings import ResultsSettings
from services.results.store.webhooks import Webhooks
from services.results.webhooks import events
from services.results.webhooks.callbacks import Callbacks
from services.results.webhooks.records import DeliveryRecord, Outcome, SecretVersion
from services.results.webhooks.schedule import Schedule
from services.results.webhooks.secrets import BOTH, Secrets, previous_until
from services.results.webhooks.sender import retry_after
from tests.unit.results.jobs import reading_job

_NOW = datetime(2026, 11, 26, 12, 0, 0, 123_456, tzinfo=UTC)
_USUAL = tuple(map(float, ResultsSettings.model_fields["webhook_pauses"].default.split()))
_REFUSED = Outcome(500, "http_status")


def schedule(chance: float = 0.0) -> Schedule:
    return Schedule(_USUAL, 86_400, lambda: chance)


def delivery(**more: Any) -> DeliveryRecord:
    ids = {name: uuid4() for name in ("id", "organization_id", "user_id", "job_id", "document_id")}
    usual = {"event": "job.completed", "url": "https://a.example/", "lane": "normal", "job_type": "text_extraction"}
    return DeliveryRecord(**{**ids, **usual, "created_at": _NOW, **more})


def test_pauses_grow_until_a_day_is_over() -> None:
    """5 s, 5 min, 30 min, 2 h, 5 h, 10 h; the last attempt is on the end, and none after it."""
    age = 0.0
    pauses: list[float] = []
    while (pause := schedule().pause(len(pauses) + 1, age, _REFUSED)) is not None:
        pauses.append(pause)
        age += pause
    assert [5, 300, 1_800, 7_200, 18_000, 36_000] == pauses[:6]
    assert (7, 86_400) == (len(pauses), age)


def test_pauses_differ_by_chance() -> None:
    """By a fifth at most, never shorter."""
    assert [300, 330, 360] == [schedule(chance).pause(2, 0, _REFUSED) for chance in (0.0, 0.5, 1.0)]


def test_receivers_say_when_within_the_day() -> None:
    """Later than planned, never sooner, and not after the end."""
    waits = [schedule().pause(1, 86_000, Outcome(429, "http_status", retry_after=wait)) for wait in (1, 60, 9_999)]
    assert [5, 60, 400] == waits


@pytest.mark.parametrize("outcome", [Outcome(204), Outcome(410, "gone")])
def test_nothing_follows_the_end(outcome: Outcome) -> None:
    """Neither a success nor a receiver that is gone is tried again."""
    assert schedule().pause(1, 0, outcome) is None


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("99999999999999999999", 86_400),
        ("Thu, 26 Nov 2026 12:01:00 GMT", 59.876544),
        ("Thu, 26 Nov 2020 12:01:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("²", None),
    ],
)
def test_retry_after(field: str, seconds: float | None) -> None:
    """Seconds or a date, at most a day; anything else is nothing."""
    assert seconds == retry_after(field, _NOW)


def test_payloads() -> None:
    """URLs when the gateway's is known, else paths; a result only where there is one; tests have no job."""
    done = delivery(job_type="analysis")
    whole = json.loads(events.body(done, "https://p.example/"))
    assert ("job.completed", "2026-11-26T12:00:00.123Z") == (whole["type"], whole["timestamp"])
    assert f"https://p.example/api/v1/documents/{done.document_id}/analysis" == whole["data"]["result_url"]
    failed = delivery(event="job.failed")
    data = json.loads(events.body(failed))["data"]
    assert (f"/api/v1/jobs/{failed.job_id}", None) == (data["status_url"], data["result_url"])
    assert None is json.loads(events.body(delivery(job_type="of another kind")))["data"]["result_url"]
    assert None is json.loads(events.body(delivery(document_id=None)))["data"]["result_url"]
    test = delivery(event="webhook.test", job_id=None)
    assert {"delivery_id": str(test.id)} == json.loads(events.body(test))["data"]


def test_signatures_verify() -> None:
    """One by each secret, each good by itself."""
    secrets = [Secrets("key").of(UUID(int=1), version) for version in (2, 1)]
    headers = events.headers("id", b'{"a":"\xc3\xa9"}', secrets)
    assert ["v1", "v1"] == [one.partition(",")[0] for one in headers["webhook-signature"].split(" ")]
    for secret in secrets:
        assert {"a": "é"} == Webhook(secret).verify(b'{"a":"\xc3\xa9"}', headers)


def test_secrets_are_each_organizations_own() -> None:
    """Another organization, version or key makes another; the same make the same."""
    one = Secrets("key").of(UUID(int=1), 1)
    others = [Secrets("key").of(UUID(int=2), 1), Secrets("key").of(UUID(int=1), 2), Secrets("yek").of(UUID(int=1), 1)]
    assert 4 == len({one, *others})
    assert one == Secrets("key").of(UUID(int=1), 1)
    assert one.startswith("whsec_")


def test_the_previous_secret_signs_for_a_day() -> None:
    """And no longer; the first has none before it."""
    rotated = SecretVersion(3, _NOW)
    secrets = Secrets("key")
    both = [secrets.of(UUID(int=1), version) for version in (3, 2)]
    assert both == secrets.signing(UUID(int=1), rotated, _NOW + BOTH - timedelta(seconds=1))
    assert both[:1] == secrets.signing(UUID(int=1), rotated, _NOW + BOTH)
    assert None is previous_until(SecretVersion())


def test_without_a_secret_there_are_no_webhooks() -> None:
    """They are refused rather than forgotten."""
    with pytest.raises(Unavailable):
        Secrets("").of(UUID(int=1), 1)
    with pytest.raises(InvalidArgument, match="no webhooks"):
        Callbacks(Allowed(), Secrets("")).check("https://a.example/")
    Callbacks(Allowed(), Secrets("")).check("")


async def test_jobs_that_call_nobody_back_cost_no_statement() -> None:
    """Nor do those that have not ended: there is no connection here that could run one."""
    webhooks = Webhooks(cast("Any", None))
    ended, running = reading_job(state="completed"), reading_job(state="running")
    running.config = {"callback_url": "https://a.example/"}
    await webhooks.ended([ended, running])
    assert [] == webhooks.new


@pytest.mark.parametrize("pauses", ["", "5 0", "five", "-1"])
def test_pauses_are_positive(pauses: str) -> None:
    """A service with others does not start."""
    with pytest.raises(ValueError, match="webhook_pauses"):
        ResultsSettings(webhook_pauses=pauses)
