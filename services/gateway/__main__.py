"""Wiring of the gateway: settings, neighbours, feed, endpoints, server."""

import asyncio

from mesh import process
from mesh.blobs import Blobs
from mesh.bus import Bus
from services.gateway.neighbours import Neighbours
from services.gateway.server import HttpServer
from services.gateway.settings import GatewaySettings
from services.gateway.wiring import Gateway


def main() -> None:
    """Runs the gateway until it is asked to stop."""
    settings = GatewaySettings()

    async def serve(stop: asyncio.Event) -> None:
        neighbours = Neighbours.connect(settings)
        bus = await Bus.connect(settings)
        gateway = Gateway(settings, neighbours, Blobs(settings.storage_url), lambda: bus.connection.is_connected)
        await bus.listen("status.>", gateway.feed.on_message)
        bus.on_restore(gateway.feed.forget_unfinished)
        server = HttpServer(gateway.app, settings)
        gateway.traffic.connections = server.connections
        await server.run_until(stop, gateway.feed.close)
        await bus.close()
        await neighbours.close()

    process.run("gateway", settings, serve)


if __name__ == "__main__":
    main()
