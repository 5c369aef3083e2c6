"""Processes are killed and stores deleted while documents are being read; nothing is lost and nothing is done twice."""

import asyncio
import os
import shutil
import time
from collections.abc import Sequence

import pytest

from cli.background import Background
from tests.support import batch
from tests.support.client import ApiClient

VICTIMS = ("ingest", "ocr", "analysis", "results", "gateway", "auth", "nats", "postgres")
WITHIN = 180.0


@pytest.mark.timeout(400)
async def test_killing_one_part_after_another_costs_nothing(stack: Background) -> None:
    """Each part is killed once while one batch is read; every job completes, each page and analysis once."""
    await _killed_while_reading(stack, VICTIMS, pause=0.5)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_part_that_keeps_dying_costs_nothing(stack: Background, victim: str) -> None:
    """Killed four times in the middle of the work, each part comes back and every job completes, each page once."""
    await _killed_while_reading(stack, [victim] * 4, pause=1.0)


@pytest.mark.timeout(400)
async def test_a_wiped_broker_costs_nothing(stack: Background) -> None:
    """The broker's store is deleted, tasks and facts with it, while jobs are pending; the record finishes them."""
    client = await ApiClient(stack.url).register()
    sent = await batch.send(client, rounds=2)
    store = stack.layout.root / "nats" / "js"
    shutil.rmtree(store, ignore_errors=True)  # the broker may be writing there
    killed = stack.kill("nats")
    shutil.rmtree(store, ignore_errors=True)
    await _restarted(stack, "nats", killed)
    await batch.check(client, sent, WITHIN)
    await client.close()


async def _killed_while_reading(stack: Background, victims: Sequence[str], pause: float) -> None:
    client = await ApiClient(stack.url).register()
    sending = asyncio.create_task(batch.send(client, rounds=2))
    for victim in victims:
        await asyncio.sleep(pause)
        await _restarted(stack, victim, stack.kill(victim))
    await batch.check(client, await sending, WITHIN)
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
