"""The HTTP server, in the event loop of the process."""

import asyncio
import contextlib
import logging
import resource
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from services.gateway.http_protocol import HttpProtocol
from services.gateway.live.protocol import MESSAGE_BYTES, LiveProtocol
from services.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 75


def allow_connections() -> None:
    """Lets the process hold as many connections as it may: the usual soft limit of 1,024 files is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Uvicorn with uvloop, httptools and websockets."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        config = uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            http=HttpProtocol,
            ws=LiveProtocol,
            ws_max_size=MESSAGE_BYTES,
            ws_ping_interval=settings.live_ping_seconds,
            ws_ping_timeout=settings.live_pong_seconds,
            ws_per_message_deflate=False,  # its windows are many times what a connection else needs
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=round(settings.drain_seconds),
        )
        self._server = _Uvicorn(config)
        self._address = f"{settings.http_host}:{settings.http_port}"
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells of its start in colours

    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._server.server_state.connections)

    async def run_until(self, stop: asyncio.Event, release: Callable[[], None]) -> None:
        """Serves until `stop` is set, then `release`s whoever is held and lets requests in hand finish.

        Raises OSError when the address cannot be had.
        """
        serving = asyncio.create_task(self._server.serve())
        stopping = asyncio.create_task(stop.wait())
        log.info("serving", extra={"address": self._address})
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        release()
        self._server.should_exit = True
        await serving
