"""Wiring of the gateway: settings, neighbours, broker, server."""

import asyncio
from contextlib import suppress

from mesh import process
from mesh.blobs import Blobs
from mesh.errors import Unavailable
from mesh.revocations import Revocations
from services.gateway.entry_link import EntryLink
from services.gateway.neighbours import Neighbours
from services.gateway.quota_link import QuotaLink
from services.gateway.server import HttpServer, allow_connections
from services.gateway.settings import GatewaySettings
from services.gateway.status_link import StatusLink
from services.gateway.wiring import Gateway


def main() -> None:
    """Runs the gateway until it is asked to stop."""
    settings = GatewaySettings()
    allow_connections()

    async def serve(stop: asyncio.Event) -> None:
        neighbours, link = Neighbours.connect(settings), StatusLink()
        quotas, entries = QuotaLink(), EntryLink()
        blobs, revocations = Blobs(settings.storage_url), Revocations(complete=False)
        gateway = Gateway(settings, neighbours, blobs, lambda: link.connected, revocations, quotas, entries)
        server = HttpServer(gateway.app, settings)
        gateway.traffic.connections = server.connections
        async with asyncio.TaskGroup() as group:
            opening = [
                group.create_task(link.open(settings, gateway.feed, revocations, gateway.organizations)),
                group.create_task(quotas.open(settings)),
                group.create_task(entries.open(settings)),
                group.create_task(gateway.watch()),
                group.create_task(gateway.meter.keep_telling(quotas.publish)),
            ]
            await server.run_until(stop, gateway.let_go)
            for one in opening:
                one.cancel()
        with suppress(Unavailable):
            await gateway.meter.tell(quotas.publish)
        await link.close()
        await quotas.close()
        await entries.close()
        await neighbours.close()

    process.run("gateway", settings, serve)


if __name__ == "__main__":
    main()
