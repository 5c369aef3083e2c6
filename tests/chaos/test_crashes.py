"""Processes are killed and stores deleted while documents are being read; nothing is lost and nothing is done twice."""

import asyncio
import os
import shutil
import time

import pytest

from cli.background import Background
from tests.support import batch
from tests.support.client import ApiClient

VICTIMS = ("ingest", "ocr", "analysis", "results", "gateway", "auth", "nats", "postgres")
WITHIN = 180.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_killed_process_costs_nothing(stack: Background, victim: str) -> None:
    """Killed twice in the middle of the work, each part comes back and every job completes, each page once."""
    client = await ApiClient(stack.url).register()
    sending = asyncio.create_task(batch.send(client, rounds=1))
    for pause in (0.3, 2.5):
        await asyncio.sleep(pause)
        killed = stack.kill(victim)
        await _restarted(stack, victim, killed)
    await batch.check(client, await sending, WITHIN)
    await client.close()


@pytest.mark.timeout(400)
async def test_a_wiped_broker_costs_nothing(stack: Background) -> None:
    """The broker's store is deleted, tasks and facts with it, while jobs are pending; the record finishes them."""
    client = await ApiClient(stack.url).register()
    sent = await batch.send(client, rounds=2)
    store = stack.layout.root / "nats" / "js"
    shutil.rmtree(store)
    killed = stack.kill("nats")
    shutil.rmtree(store, ignore_errors=True)
    await _restarted(stack, "nats", killed)
    await batch.check(client, sent, WITHIN)
    await client.close()


async def _restarted(stack: Background, victim: str, killed: int) -> None:
    ends = time.monotonic() + 30
    while stack.state.processes[victim].pid == killed or not _lives(stack.state.processes[victim].pid):
        assert time.monotonic() < ends, f"{victim} was not started again"
        await asyncio.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
