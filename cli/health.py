"""What the gateway says of the stack's health."""

import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

_SECONDS = 3.0


@dataclass(frozen=True)
class Health:
    """The answer of `GET /health`."""

    status: str
    """ "healthy", "degraded", "unhealthy", or "unreachable" when nobody answers."""
    services: dict[str, str]
    """Readiness by service and dependency."""


def fetch(url: str) -> Health:
    """Asks the gateway at `url`."""
    try:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)) as connection:
            connection.request("GET", "/health")
            told = json.loads(connection.getresponse().read())
        services = {name: _word(state) for name, state in told["services"].items()}
        return Health(str(told["status"]), services)
    except (OSError, ValueError, http.client.HTTPException, KeyError, TypeError, AttributeError):
        return Health("unreachable", {})


def _word(state: object) -> str:
    return str(state.get("status", state)) if isinstance(state, dict) else str(state)
