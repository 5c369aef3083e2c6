"""What tests of the mesh share: a bus on the real broker, and a server around a servicer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mesh.bus import Bus
from mesh.settings import MeshSettings
from tests.support.servers import NatsServer


@pytest.fixture
def settings(nats_server: NatsServer, tmp_path: Path) -> MeshSettings:
    """Settings of a service that listens on a socket of its own."""
    return MeshSettings(
        listen=f"unix:{tmp_path}/s", nats_url=SecretStr(nats_server.url), drain_seconds=0.5, instance="test"
    )


@pytest.fixture
async def bus(settings: MeshSettings) -> AsyncIterator[Bus]:
    """A connection to the broker."""
    bus = await Bus.connect(settings)
    yield bus
    await bus.close()
