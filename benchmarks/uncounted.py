"""The gateway as it would be without limits, beside the stack of a benchmark: what counting costs is measured by it.

`python -m benchmarks.uncounted` runs it; nothing of the product can be told to be so.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import Scope

from benchmarks.children import HOST, accepts, child, free_port, until_ready
from cli import nats
from cli.background import Background
from mesh.identity import Identity
from services.gateway import __main__ as gateway
from services.gateway import wiring
from services.gateway.admission import Admission
from services.gateway.limits import Headers, Policy, Verdict

_SERVICES = ("auth", "ingest", "ocr", "analysis", "results")


class _Free(Verdict):
    """Accepts, and has nothing to tell."""

    def headers(self) -> Headers:
        return []


_POLICY = Policy([])
_FREE = _Free(_POLICY, [], 0.0)


class _Uncounted(Admission):
    """Lets everything pass."""

    async def admit(self, scope: Scope, caller: Identity, within_plan: bool = True) -> Identity:
        return caller

    def policy(self, caller: Identity) -> Policy | None:
        return _POLICY

    async def count(self, scope: Scope, caller: Identity, policy: Policy) -> Verdict:
        return _FREE


@asynccontextmanager
async def uncounted_gateway(stack: Background, directory: Path) -> AsyncIterator[str]:
    """One more gateway for the stack, without limits, its log in `directory`; yields the base URL."""
    port, layout = free_port(), stack.layout
    environment = {f"PAGEMESH_{name.upper()}_URL": f"unix:{layout.socket(name)}" for name in _SERVICES}
    environment["PAGEMESH_NATS_URL"] = nats.url(stack.state.ports["nats"], layout.secret("nats"))
    environment |= {"PAGEMESH_STORAGE_URL": layout.blobs.as_uri(), "PAGEMESH_SERVICE_SECRET": layout.secret("service")}
    environment |= {"PAGEMESH_HTTP_HOST": HOST, "PAGEMESH_HTTP_PORT": str(port)}
    command = (sys.executable, "-m", "benchmarks.uncounted")
    async with child(*command, log=directory / "uncounted.log", environment=environment) as process:
        await until_ready(process, lambda: accepts(port), "the gateway without limits")
        yield f"http://{HOST}:{port}"


def main() -> None:
    """Runs the gateway with limits taken out."""
    setattr(wiring, "Admission", _Uncounted)  # noqa: B010  # the one part that differs; no name that may be set
    gateway.main()


if __name__ == "__main__":
    main()
