"""A good request for every REST operation, and what can be compared of its answer."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx

from tests.attacks.operations import Field, Operation
from tests.attacks.people import Attacker
from tests.support.documents import text_pdf

Json = dict[str, Any]
_JSON = "application/json"
BODIES: dict[str, Callable[[], Json]] = {
    "POST /api/v1/documents/{document_id}/analyze": lambda: {"analysis_type": "summary"},
    "POST /api/v1/runs": lambda: {"source": {}},
    "PATCH /api/v1/organizations/me/members/{user_id}": lambda: {"is_active": False},
    "POST /api/v1/tasks": lambda: {"text": "The harbour office opens at nine."},
    "POST /api/v1/templates": lambda: {"name": f"t-{uuid.uuid4().hex}", "instructions": "Say it: {{text}}"},
    "PUT /api/v1/templates/{name}": lambda: {"instructions": "Say it otherwise: {{text}}"},
    "PUT /api/v1/users/me/api-key": lambda: {"anthropic_api_key": "sk-ant-api03-0123456789"},
    "PUT /api/v1/users/me/provider-keys/{provider}": lambda: {"api_key": "sk-own-0123456789"},
}
"""Bodies of the operations that do not take an empty one."""
_FILES: dict[str, Callable[[], bytes]] = {
    "POST /api/v1/documents/upload": text_pdf,
    "POST /api/v1/tasks/file": text_pdf,
}
_EVERY_TIME = re.compile(r"date|server|x-request-id|x-ratelimit-.*|ratelimit.*|content-length")


@dataclass(frozen=True)
class Sending:
    """A request about to be sent."""

    operation: Operation
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Json = field(default_factory=dict)

    def put(self, where: Field, value: Any) -> "Sending":
        """The same request with another value in one place."""
        if where.place == "path":
            return replace(self, path={**self.path, where.name: value})
        if where.place == "query":
            return replace(self, query={**self.query, where.name: str(value)})
        return replace(self, body=_with(self.body, where.name, value if where.place == _JSON else str(value)))

    async def send(self, client: httpx.AsyncClient, **headers: str) -> httpx.Response:
        """Sends it; what is in the path is quoted."""
        target = self.operation.path
        for name, value in self.path.items():
            target = target.replace(f"{{{name}}}", quote(value, safe=""))
        return await client.request(self.operation.method, target, headers=headers, **self._content())

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {"params": self.query} if self.query else {}
        media_type, _ = self.operation.body or ("", None)
        if media_type == _JSON:
            content["json"] = self.body
        elif media_type == "application/x-www-form-urlencoded":
            content["data"] = self.body
        elif media_type == "multipart/form-data":
            content |= {"data": self.body, "files": {"file": ("own.pdf", _FILES[self.operation.name]())}}
        return content


def _with(body: Json, name: str, value: Any) -> Json:
    """The body with another value in one place, in objects inside objects by its path in dots."""
    first, _, rest = name.partition(".")
    return {**body, first: _with(body.get(first, {}), rest, value) if rest else value}


async def good(operation: Operation, attacker: Attacker, but: Field | None = None) -> Sending:
    """What the gateway should carry out for the attacker, on things of the attacker's own, `but` one to be set yet."""
    make = BODIES.get(operation.name, dict)
    sending = Sending(operation, body=make())
    for where in (*operation.ids(), *operation.words()):
        if where.what is not None and where != but:
            sending = sending.put(where, await attacker.own(where.what))
    if operation.path.endswith("/webhooks/test"):
        sending = replace(sending, body={"url": attacker.receiver})
    if operation.path.startswith("/auth/"):
        known = {name: attacker.client[name] for name in ("client_id", "client_secret")}
        sending = replace(sending, body={**sending.body, "grant_type": "client_credentials", **known})
    return sending


def comparable(answer: httpx.Response, name: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers, but for the id that was asked for and for what is another at every request."""
    headers = {key: value for key, value in answer.headers.items() if not _EVERY_TIME.fullmatch(key)}
    told = {key: value.replace(name, "<asked>") for key, value in headers.items()}
    return answer.status_code, answer.text.replace(name, "<asked>"), told
