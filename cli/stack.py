"""The whole mesh on one machine: broker, database and six services as children of one supervisor."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cli import health, nats
from cli.layout import Layout
from cli.log import StackLog
from cli.ports import LOOPBACK, free_ports, remembered_port
from cli.postgres import Postgres
from cli.processes import Child, ChildSpec
from cli.state import Process, StackState

SERVICES = ("gateway", "auth", "ingest", "ocr", "analysis", "results")
_GATEWAY_SECONDS = 10.0
_STOP_SECONDS = 25.0
_MASTER_KEYS = ("PAGEMESH_MASTER_KEY", "PAGEMESH_MASTER_KEY_FILE")
_ADMIN_SECRET = "PAGEMESH_ADMIN_SECRET"  # noqa: S105  # the name of a variable
_HOLDERS = {
    "PAGEMESH_SERVICE_SECRET": ("auth", "analysis", "gateway", "results"),
    "PAGEMESH_ARRIVAL_SECRET": ("ingest", "results"),
    "PAGEMESH_WEBHOOK_SECRET": ("results",),
}
"""Who has which secret; what the others, who open or keep what people sent, do not know cannot be taken from them."""

Command = Callable[[str], list[str]]


def service_command(name: str) -> list[str]:
    """What runs the service of that name."""
    return [sys.executable, "-m", f"services.{name}"]


@dataclass
class Stack:
    """Everything that runs for one data directory."""

    layout: Layout
    port: int
    log: StackLog
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    command: Command = service_command
    """What runs a service; a test puts its own there."""

    def __post_init__(self) -> None:
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._state = StackState(url=self.url, supervisor=Process.of(os.getpid()), ports={"gateway": self.port})
        self._servers: list[Child] = []
        self._services: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts every child at once; services wait for what they need. Raises OSError."""
        common = {**self.environ, **self._addresses(), "PYTHONUNBUFFERED": "1"}
        metrics = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self._state.ports |= {f"metrics.{name}": port for name, port in metrics.items()}
        self._services = {name: self._child(self._service(name, common, metrics[name])) for name in SERVICES}
        self._state.save(self.layout)
        for child in (*self._servers, *self._services.values()):
            self._tasks.append(asyncio.create_task(child.run()))

    async def healthy(self, within: float) -> bool:
        """Waits until the gateway says that everything is; false when that takes too long."""
        ends = time.monotonic() + within
        while time.monotonic() < ends:
            if (await asyncio.to_thread(health.fetch, self.url)).status == "healthy":
                self._state.ready = True
                self._state.save(self.layout)
                return True
            await asyncio.sleep(0.1)
        return False

    async def stop(self) -> None:
        """Stops the gateway, then the other services at once, then the broker and the database."""
        gateway = self._services.get("gateway")
        if gateway:
            await gateway.stop(_GATEWAY_SECONDS)
        await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in self._services.values()))
        for server in self._servers:
            await server.stop(_STOP_SECONDS)
        await asyncio.gather(*self._tasks)
        self.layout.stack_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kills what has not ended yet; for people who do not want to wait."""
        for child in (*self._services.values(), *self._servers):
            child.signal(signal.SIGKILL)

    def _addresses(self) -> dict[str, str]:
        """Where services find one another and the servers, each external when the environment names it."""
        given = self.environ
        addresses = {f"PAGEMESH_{name.upper()}_URL": f"unix:{self.layout.socket(name)}" for name in SERVICES}
        addresses["PAGEMESH_NATS_URL"] = given.get("PAGEMESH_NATS_URL") or self._own_nats()
        addresses["PAGEMESH_DATABASE_URL"] = given.get("PAGEMESH_DATABASE_URL") or self._own_postgres()
        addresses["PAGEMESH_STORAGE_URL"] = given.get("PAGEMESH_STORAGE_URL") or self.layout.blobs.as_uri()
        for variable in _HOLDERS:
            name = variable.removeprefix("PAGEMESH_").removesuffix("_SECRET").lower()
            addresses[variable] = given.get(variable) or self.layout.secret(name)
        return addresses

    def _own_nats(self) -> str:
        port, token = remembered_port(self.layout.nats / "port"), self.layout.secret("nats")
        self._state.ports["nats"] = port
        self._servers.append(self._child(nats.spec(self.layout.nats, port, token)))
        return nats.url(port, token)

    def _own_postgres(self) -> str:
        server = Postgres(self.layout.postgres, self.layout.sockets / "postgres")
        self._state.sockets["postgres"] = str(server.sockets)
        self._servers.append(self._child(server.spec()))
        return server.url

    def _service(self, name: str, common: Mapping[str, str], metrics_port: int) -> ChildSpec:
        socket = self.layout.socket(name)
        env = {**common, "PAGEMESH_LISTEN": f"unix:{socket}", "PAGEMESH_METRICS_PORT": str(metrics_port)}
        if name == "auth":
            env |= self._secrets_of_auth()
        else:
            env = {key: value for key, value in env.items() if key not in (*_MASTER_KEYS, _ADMIN_SECRET)}
        if name == "gateway":
            env |= {"PAGEMESH_HTTP_HOST": LOOPBACK, "PAGEMESH_HTTP_PORT": str(self.port)}
            env.setdefault("PAGEMESH_IDEMPOTENCY_SECRET", self.layout.secret("idempotency"))
        else:
            self._state.sockets[name] = str(socket)
        if name not in ("auth", "results"):
            del env["PAGEMESH_DATABASE_URL"]  # the others own no record
        for variable, holders in _HOLDERS.items():
            if name not in holders:
                del env[variable]
        return ChildSpec(name=name, argv=self.command(name), env=env)

    def _secrets_of_auth(self) -> dict[str, str]:
        found = {_ADMIN_SECRET: self.environ.get(_ADMIN_SECRET) or self.layout.secret("admin")}
        if not any(key in self.environ for key in _MASTER_KEYS):
            found["PAGEMESH_MASTER_KEY_FILE"] = str(self.layout.master_key())
        return found

    def _child(self, spec: ChildSpec) -> Child:
        return Child(spec, self.log.line, self._note)

    def _note(self, child: Child) -> None:
        try:
            if child.pid is not None:
                self._state.processes[child.spec.name] = Process.of(child.pid, child.restarts)
        except ProcessLookupError:
            return  # it ended at once; its next start is noted
        self._state.save(self.layout)
