"""What tests of the mesh share: a bus on the real broker, an S3, and a server around a servicer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mesh.bus import Bus
from mesh.settings import MeshSettings
from tests.support.s3 import S3Server
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


@pytest.fixture(scope="session")
def s3_server(server_directory: Path) -> Iterator[S3Server]:
    """A running S3 with its bucket."""
    directory = server_directory / "s3"
    directory.mkdir()
    server = S3Server(directory)
    try:
        server.start()
        server.make_bucket()
        yield server
    finally:
        server.stop()
