"""Wiring of the gateway: settings, neighbours, broker, server."""

import asyncio

from mesh import process
from mesh.blobs import Blobs
from services.gateway.neighbours import Neighbours
from services.gateway.server import HttpServer
from services.gateway.settings import GatewaySettings
from services.gateway.status_link import StatusLink
from services.gateway.wiring import Gateway


def main() -> None:
    """Runs the gateway until it is asked to stop."""
    settings = GatewaySettings()

    async def serve(stop: asyncio.Event) -> None:
        neighbours, link = Neighbours.connect(settings), StatusLink()
        gateway = Gateway(settings, neighbours, Blobs(settings.storage_url), lambda: link.connected)
        server = HttpServer(gateway.app, settings)
        gateway.traffic.connections = server.connections
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(link.open(settings, gateway.feed))
            await server.run_until(stop, gateway.feed.close)
            opening.cancel()
        await link.close()
        await neighbours.close()

    process.run("gateway", settings, serve)


if __name__ == "__main__":
    main()
