"""Generated requests, good and bad, against a running stack: it answers as its OpenAPI documents say, whatever comes.

No 5xx, no status that is not named, no answer outside its schema or media type, bad data refused with 4xx, other
methods with 405 and `Allow`, nothing without a credential where one is needed, and good data accepted. Requests are the
same in every run.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.attacks.conftest import World
from tests.promises.hooks import RECEIVER

_HERE = Path(__file__).parent
_HOOKS = {"SCHEMATHESIS_HOOKS": "tests.promises.hooks"}


@pytest.mark.timeout(600)  # a minute and a half where nothing else runs
async def test_a_short_time(world: World) -> None:
    """Every case that follows from the documents, and hardly any by chance."""
    await _run(world, "--phases", "coverage,fuzzing", "--max-examples", "1")


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_a_long_time(world: World) -> None:
    """Many by chance, and sequences of requests."""
    await _run(world, "--phases", "coverage,fuzzing,stateful", "--max-time", "600")


async def _run(world: World, *options: str) -> None:
    async with world.attacking() as attacker:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml")]
        credential = f"Authorization: Bearer {attacker.person.token}"
        command += ["run", f"{world.url}/openapi.json", "--header", credential, "--continue-on-failure", *options]
        environment = {**os.environ, **_HOOKS, RECEIVER: world.receiver, "PYTHONPATH": str(_HERE.parents[1])}
        with tempfile.TemporaryDirectory() as directory:  # it leaves a cache
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, env=environment, cwd=directory, check=False
            )
        assert 0 == done.returncode, done.stdout[-20_000:] + done.stderr[-2_000:]
        await attacker.person.send("GET", "/users/me", 200)  # else all but the first requests were anybody's
