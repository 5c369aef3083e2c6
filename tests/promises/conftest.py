"""The attack tests' world, and gateways on which everything fails."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.attacks.conftest import World, operations, world
from tests.promises.scene import Scene
from tests.support.gateway_mesh import Mesh, running_mesh

__all__ = ["operations", "world"]

_ONE = {"minute": 1, "hour": 1}


@pytest.fixture(scope="module")
async def spent() -> AsyncIterator[Mesh]:
    """A gateway that takes one request an hour."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory), limits={"free": _ONE}, address_limits=_ONE) as mesh:
            yield mesh


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[Mesh]:
    """A gateway whose neighbours are all away."""
    with tempfile.TemporaryDirectory(prefix="pm") as directory:
        async with running_mesh(Path(directory)) as mesh:
            for server in mesh.servers.values():
                await server.stop()
            yield mesh


@pytest.fixture(scope="module")
async def scene(world: World, spent: Mesh, alone: Mesh) -> AsyncIterator[Scene]:
    """Somebody with everything to try with."""
    async with world.attacking() as attacker:
        scene = Scene(world, attacker, spent, alone)
        yield scene
        await scene.close()
