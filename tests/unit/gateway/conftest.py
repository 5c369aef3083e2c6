"""A mesh for each test, and an organization with its client."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.gateway_auth import organization_id
from tests.support.gateway_mesh import Mesh, running_mesh


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    # Socket paths must be short; pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory)) as running:
            yield running


@pytest.fixture
def organization() -> str:
    return organization_id()


@pytest.fixture
async def client(mesh: Mesh, organization: str) -> AsyncIterator[httpx.AsyncClient]:
    async with mesh.client(organization) as opened:
        yield opened
