"""Who sends, and where to: what recipes work with."""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.attacks.conftest import World
from tests.attacks.operations import Operation
from tests.attacks.people import PASSWORD, PROVIDER, Attacker, new_key
from tests.attacks.sending import BODIES, Sending, good
from tests.support.gateway_mesh import Mesh

Json = dict[str, Any]
_BODIES: dict[str, Any] = {
    **BODIES,
    "POST /api/v1/auth/register": lambda: {"email": _address(), "password": PASSWORD, "full_name": "Ada"},
    "POST /api/v1/auth/login": lambda: {"email": _address(), "password": PASSWORD},
    "POST /api/v1/auth/refresh": lambda: {"refresh_token": "of nobody"},
    "POST /api/v1/auth/invitations/accept": lambda: {"token": "of nobody", "password": PASSWORD, "full_name": "Ada"},
    "POST /api/v1/api-keys": lambda: {"name": "a program"},
    "POST /api/v1/organizations/me/clients": lambda: {"name": "a machine", "scopes": ["jobs.read"]},
    "POST /api/v1/organizations/me/members": lambda: {"email": _address()},
    "PATCH /api/v1/organizations/me/members/{user_id}": lambda: {"is_active": True},
}
"""Bodies of operations where the attack tests' will not do."""
_WORD_FOR_NOTHING = "nobody-knows"


def _address() -> str:
    return f"{uuid.uuid4().hex}@example.com"


@dataclass
class Scene:
    """A stack with somebody on it, a gateway that is over its limits, and one whose neighbours are away."""

    world: World
    attacker: Attacker
    spent: Mesh
    alone: Mesh
    nobody: httpx.AsyncClient = field(init=False)
    _keys: dict[str, str] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Opens the client without a credential."""
        self.nobody = httpx.AsyncClient(base_url=self.world.url, timeout=60)

    async def close(self) -> None:
        """Closes it."""
        await self.nobody.aclose()

    def client(self, operation: Operation, attacker: Attacker | None = None) -> httpx.AsyncClient:
        """Whose request it is: nobody's, where nobody has to be somebody."""
        return self.nobody if operation.public else (attacker or self.attacker).person.http

    async def good(self, operation: Operation, attacker: Attacker | None = None) -> Sending:
        """A request that is carried out."""
        sending = await good(operation, attacker or self.attacker)
        return Sending(operation, sending.path, sending.query, _body(operation) or sending.body)

    def blank(self, operation: Operation) -> Sending:
        """A well-formed request for things that do not exist."""
        path = {field.name: str(uuid.uuid4()) for field in operation.ids() if field.place == "path"}
        words = {field.name: _WORD_FOR_NOTHING for field in operation.words()}
        return Sending(operation, {**path, **words}, body=_body(operation) or {})

    async def key_without(self, scopes: tuple[str, ...]) -> str:
        """An API key that none of the scopes cover."""
        scope = "usage.read" if "usage.read" not in scopes else "jobs.read"
        async with self._lock:
            if scope not in self._keys:
                self._keys[scope] = (await new_key(self.attacker.person, scope))["key"]
        return self._keys[scope]


def known_word(operation: Operation) -> dict[str, str]:
    """Names for the parameters of the path that hold some."""
    return {field.name: PROVIDER for field in operation.words()}


def _body(operation: Operation) -> Json:
    make = _BODIES.get(operation.name)
    return make() if make else {}
