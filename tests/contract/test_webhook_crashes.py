"""The results service is killed while it delivers; every event arrives all the same."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr

from cli.processes import die_with_parent
from mesh import client
from mesh.blobs import Blobs
from mesh.bus import Bus
from pagemesh.results.v1 import webhooks_pb2 as pb
from pagemesh.results.v1.webhooks_pb2_grpc import WebhookServiceStub
from services.results.settings import ResultsSettings
from tests.contract.recording import Results
from tests.contract.test_webhooks import Hooks
from tests.support.broker import eventually
from tests.support.receiver import receiving
from tests.support.services import Caller, Hands

_JOBS = 40


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service, with a short patience for attempts that nobody ends."""
    return ResultsSettings(
        listen=f"unix:{server_directory}/crashes.sock",
        database_url=SecretStr(fresh_database()),
        webhook_secret=SecretStr("known to results alone"),
        webhook_attempt_seconds=0.5,
        webhook_slots=4,
        allowed_private_networks="127.0.0.1",
        **common,
    )


async def test_a_kill_among_deliveries_loses_none(settings: ResultsSettings, bus: Bus, ada: Caller) -> None:
    """Jobs that ended are told of, whether the kill came before their word was handed out, while or after it was sent.

    What was taken and noted is not told again: only attempts that the kill cut off are made twice.
    """
    hands = Hands(bus)
    channel = client.connect(settings.listen, settings)
    results = Results(channel, hands, Blobs(settings.storage_url))
    async with receiving() as receiver:
        hooks = Hooks(results, WebhookServiceStub(channel), receiver, settings)
        with _process(settings) as victim:
            await eventually(lambda: _serves(channel))
            await hands.start()
            jobs = [await hooks.submit(ada, receiver.url + "/hook") for _ in range(_JOBS)]
            finishing = asyncio.gather(*(hooks.finish(job) for job in jobs))
            await receiver.got("/hook", 8)
            victim.send_signal(signal.SIGKILL)
            victim.wait(10)
            before = len(receiver.hits)
            await finishing
        with _process(settings):
            await eventually(lambda: _serves(channel))
            await eventually(lambda: _all_delivered(hooks, ada))
        await hands.stop()
    await channel.close()
    told = Counter(hit.id for hit in receiver.hits)
    assert 8 <= before < _JOBS
    assert _JOBS == len(told)
    assert sum(told.values()) <= _JOBS + settings.webhook_slots


@contextmanager
def _process(settings: ResultsSettings) -> Iterator["subprocess.Popen[bytes]"]:
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    told = {
        f"PAGEMESH_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.results"],
        env={**os.environ, **told},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


async def _serves(channel: Any) -> bool:
    check: Callable[..., Awaitable[Any]] = health_pb2_grpc.HealthStub(channel).Check
    answer = await check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _all_delivered(hooks: Hooks, caller: Caller) -> bool:
    request = pb.ListWebhookDeliveriesRequest(state=pb.WEBHOOK_DELIVERY_STATE_DELIVERED)
    return bool((await caller.call(hooks.stub.ListWebhookDeliveries, request)).total == _JOBS)
