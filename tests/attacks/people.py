"""Whoever attacks and is attacked: organizations with something of every kind, made through the public API."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from mesh.scopes import GRANTABLE
from tests.attacks.registry import Kind, Meaning
from tests.support.documents import encrypted_pdf, scanned_pdf, text_pdf

Json = dict[str, Any]
PASSWORD = "a long enough phrase"
PROVIDER = "deepseek"
"""Of language models. None that is asked unless somebody names it, so that no analysis here leaves the machine."""
_API = "/api/v1"
_SECONDS = 90.0


@dataclass
class Person:
    """Somebody with a session."""

    http: httpx.AsyncClient
    session: Json

    @property
    def token(self) -> str:
        """The access token."""
        return str(self.session["access_token"])

    @property
    def user_id(self) -> str:
        """The account."""
        return str(self.session["user"]["id"])

    @property
    def organization_id(self) -> str:
        """The organization."""
        return str(self.session["user"]["organization_id"])

    async def send(self, method: str, path: str, expected: int, **more: Any) -> Json:
        """Sends a request that must go well, and answers its JSON, if any."""
        answer = await self.http.request(method, _API + path, **more)
        assert expected == answer.status_code, f"{method} {path}: {answer.status_code} {answer.text}"
        body: Json = answer.json() if answer.content else {}
        return body

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()


async def register(url: str, name: str = "Test Person") -> Person:
    """The admin of a new organization."""
    http = httpx.AsyncClient(base_url=url, timeout=_SECONDS)
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD, "full_name": name}
    return _person(http, await http.post(f"{_API}/auth/register", json=body))


async def join(admin: Person, role: str = "user") -> Person:
    """A new member of the admin's organization."""
    body = {"email": f"{uuid.uuid4().hex}@example.com", "role": role}
    invited = await admin.send("POST", "/organizations/me/members", 201, json=body)
    http = httpx.AsyncClient(base_url=admin.http.base_url, timeout=_SECONDS)
    accepted = {"token": invited["token"], "password": PASSWORD, "full_name": "Test Member"}
    return _person(http, await http.post(f"{_API}/auth/invitations/accept", json=accepted))


def _person(http: httpx.AsyncClient, answer: httpx.Response) -> Person:
    assert answer.status_code == 201, answer.text
    session: Json = answer.json()
    http.headers["authorization"] = f"Bearer {session['access_token']}"
    return Person(http, session)


async def read_document(person: Person, text: str = "Nothing much.", **form: str) -> Json:
    """A document that was uploaded and read, as the upload was answered."""
    uploaded = await _upload(person, text_pdf(text=text), **form)
    job = await person.send("GET", f"/jobs/{uploaded['job_id']}", 200, headers={"prefer": "wait=60"})
    while job["status"] not in ("completed", "failed"):  # it waits for each change of the state
        job = await person.send("GET", f"/jobs/{uploaded['job_id']}", 200, headers={"prefer": "wait=60"})
    return uploaded


async def erase_document(person: Person) -> str:
    """The id of a document that was uploaded, read and erased."""
    uploaded = await read_document(person)
    erasure = await person.send("DELETE", f"/documents/{uploaded['id']}", 200, params={"erase": "true"})
    return str(erasure["id"])


async def _upload(person: Person, content: bytes, **form: str) -> Json:
    files = {"file": (f"{uuid.uuid4().hex}.pdf", content)}
    return await person.send("POST", "/documents/upload", 201, files=files, data=form)


async def finished_task(person: Person, text: str = "Nothing much.") -> str:
    """A text task that has found something."""
    task = await person.send("POST", "/tasks", 202, json={"text": text})
    path = f"/tasks/{task['task_id']}"
    while task["status"] in ("PENDING", "PROCESSING"):
        task = await person.send("GET", path, 200, headers={"prefer": "wait=60"})
    return str(task["task_id"])


async def new_template(person: Person, name: str | None = None) -> str:
    """A template; its name."""
    body = {"name": name or f"t-{uuid.uuid4().hex}", "instructions": "Say what this is about: {{text}}"}
    return str((await person.send("POST", "/templates", 201, json=body))["name"])


async def finished_run(person: Person, text: str = "Nothing much.", config: str = "{}") -> str:
    """A run of a file, once it has completed."""
    files = {"file": (f"{uuid.uuid4().hex}.pdf", text_pdf(text=text))}
    run = await person.send("POST", "/runs", 202, files=files, data={"config": config})
    while run["state"] != "completed":  # it waits for each change of the state
        run = await person.send("GET", f"/runs/{run['id']}", 200, headers={"prefer": "wait=60"})
    return str(run["id"])


async def new_client(person: Person, *scopes: str) -> Json:
    """An OAuth client with its secret."""
    body = {"name": "a machine", "scopes": scopes or GRANTABLE}
    return await person.send("POST", "/organizations/me/clients", 201, json=body)


async def new_key(person: Person, *scopes: str) -> Json:
    """An API key; without scopes it may do what its owner may."""
    return await person.send("POST", "/api-keys", 201, json={"name": "a program", "scopes": scopes or None})


async def store_provider_key(person: Person, provider: str = PROVIDER, key: str = "sk-nobody-0123456789") -> str:
    """Stores a key of the person's own for a provider of language models, whose name is answered."""
    await person.send("PUT", f"/users/me/provider-keys/{provider}", 200, json={"api_key": key})
    return provider


async def deliver(person: Person, receiver: str) -> str:
    """The id of a test event that the receiver has taken."""
    made = await person.send("POST", "/webhooks/test", 202, json={"url": receiver})
    while made["status"] != "delivered":
        await asyncio.sleep(0.05)
        made = await person.send("GET", f"/webhooks/deliveries/{made['id']}", 200)
    return str(made["id"])


async def client_token(person: Person, client: Json, *scopes: str) -> str:
    """An access token of the client, for all its scopes or these."""
    form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
    form |= {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    async with httpx.AsyncClient(base_url=person.http.base_url, timeout=_SECONDS) as nobody:
        answer = await nobody.post("/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@dataclass
class Attacker:
    """An organization of its own, with as much of everything as an attack needs."""

    person: Person
    client: Json
    storage_key_of: Callable[[Person, str], Awaitable[str]]
    receiver: str
    """URL of somebody who takes webhooks."""

    async def own(self, meaning: Meaning) -> str:
        """An id of the attacker's, of something that was made for the purpose."""
        if meaning.is_new or meaning.kind is Kind.GATEWAY:
            return str(uuid.uuid4())
        return await self._makers()[meaning.kind]()

    def _makers(self) -> dict[Kind, Callable[[], Awaitable[str]]]:
        return {
            Kind.ORGANIZATION: self._organization,
            Kind.MEMBER: self._member,
            Kind.DOCUMENT: self._document,
            Kind.JOB: self._job,
            Kind.ERASURE: self._erasure,
            Kind.RUNNING_JOB: self._running_job,
            Kind.FAILED_JOB: self._failed_job,
            Kind.TASK: self._task,
            Kind.TEMPLATE: self._template,
            Kind.RUN: self._run,
            Kind.UNFINISHED_RUN: self._unfinished_run,
            Kind.API_KEY: self._key,
            Kind.CLIENT: self._client,
            Kind.DELIVERY: self._delivery,
            Kind.STORAGE_KEY: self._storage_key,
            Kind.ACCESS_TOKEN: self._token,
            Kind.WORD: self._provider,
        }

    async def _organization(self) -> str:
        return self.person.organization_id

    async def _member(self) -> str:
        member = await join(self.person)
        await member.close()
        return member.user_id

    async def _document(self) -> str:
        return str((await read_document(self.person))["id"])

    async def _job(self) -> str:
        return str((await read_document(self.person))["job_id"])

    async def _erasure(self) -> str:
        return await erase_document(self.person)

    async def _running_job(self) -> str:
        return str((await _upload(self.person, scanned_pdf(pages=30)))["job_id"])

    async def _failed_job(self) -> str:
        uploaded = await _upload(self.person, encrypted_pdf("x"))
        job = {"status": "pending"}
        while job["status"] != "failed":
            job = await self.person.send("GET", f"/jobs/{uploaded['job_id']}", 200, headers={"prefer": "wait=60"})
        return str(uploaded["job_id"])

    async def _task(self) -> str:
        return await finished_task(self.person)

    async def _template(self) -> str:
        return await new_template(self.person)

    async def _run(self) -> str:
        return await finished_run(self.person)

    async def _unfinished_run(self) -> str:
        # Nobody listens there, which is found out several times before it is believed.
        body = {"source": {"url": "http://127.0.0.1:9/nothing.pdf"}}
        return str((await self.person.send("POST", "/runs", 202, json=body))["id"])

    async def _key(self) -> str:
        return str((await new_key(self.person))["id"])

    async def _client(self) -> str:
        return str((await new_client(self.person))["client_id"])

    async def _delivery(self) -> str:
        return await deliver(self.person, self.receiver)

    async def _storage_key(self) -> str:
        return await self.storage_key_of(self.person, await self._document())

    async def _provider(self) -> str:
        return await store_provider_key(self.person)

    async def _token(self) -> str:
        return await client_token(self.person, self.client)


def absent(kind: Kind) -> str:
    """An id of nothing at all."""
    if kind is Kind.STORAGE_KEY:
        return f"originals/{uuid.uuid4()}/{uuid.uuid4()}.pdf"
    return "e30.e30.e30" if kind is Kind.ACCESS_TOKEN else str(uuid.uuid4())


@dataclass
class Victim:
    """An organization with something of every kind, and words that nobody else may ever see."""

    person: Person
    ids: dict[Kind, str]
    words: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> list[str]:
        """Everything that tells the victim from others."""
        return [*self.ids.values(), *self.words]


async def make_victim(
    url: str,
    storage_key_of: Callable[[Person, str], Awaitable[str]],
    request_of: Callable[[Person], Awaitable[str]],
    receiver: str,
) -> Victim:
    """A victim with an admin, a member with a provider key, an invitation, a document, its analysis, an erasure, a text
    task, a template, keys, clients.

    `request_of` makes more of what a repeated request is given again, and answers the id of the request; `receiver`
    takes webhooks.
    """
    word = f"zanzibar{uuid.uuid4().hex}"
    admin = await register(url, f"Admin {word}")
    member = await join(admin)
    await store_provider_key(member, key=f"sk-{word}")
    await member.close()
    invited = {"email": f"{word}@example.com", "role": "admin"}
    await admin.send("POST", "/organizations/me/members", 201, json=invited)
    document = await read_document(admin, f"The secret is {word}.", analysis_type="summary")
    analyses = await admin.send("GET", f"/documents/{document['id']}/analysis", 200)
    run_id = await finished_run(admin, f"The secret is {word}.", '{"analyses": ["summary"]}')
    client = await new_client(admin)
    ids = {
        Kind.ORGANIZATION: admin.organization_id,
        Kind.MEMBER: member.user_id,
        Kind.DOCUMENT: document["id"],
        **dict.fromkeys((Kind.JOB, Kind.RUNNING_JOB, Kind.FAILED_JOB), document["job_id"]),
        Kind.RUN: run_id,
        Kind.UNFINISHED_RUN: run_id,
        Kind.ANALYSIS: analyses["analyses"][0]["id"],
        Kind.TASK: await finished_task(admin, f"The secret task is {word}."),
        Kind.TEMPLATE: await new_template(admin, f"t-{word}"),
        Kind.API_KEY: (await new_key(admin))["id"],
        Kind.CLIENT: client["client_id"],
        Kind.DELIVERY: await deliver(admin, receiver),
        Kind.STORAGE_KEY: await storage_key_of(admin, document["id"]),
        Kind.ACCESS_TOKEN: await client_token(admin, client),
        Kind.REQUEST: await request_of(admin),
        Kind.ERASURE: await erase_document(admin),
        Kind.GATEWAY: str(uuid.uuid4()),
    }
    words = [word, admin.user_id, admin.session["user"]["email"], member.session["user"]["email"]]
    return Victim(admin, ids, words)
