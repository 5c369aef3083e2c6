"""Erasing through a whole stack: receipts that anybody can check, 410 for what expired, 404 for everything else."""

import uuid
from typing import Any

import httpx
import jwt
import psycopg
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from cli import nats
from cli.background import Background
from cli.postgres import database_url
from mesh import client, db
from mesh.blobs import Blobs
from mesh.bus import Bus
from services.results.hiding import Aftermath
from services.results.settings import ResultsSettings
from services.results.status import StatusFeed
from services.results.stopping import Stopping
from services.results.store import Store
from services.results.store.database import SCHEMA
from services.results.sweeping import Sweeping
from tests.e2e.test_sharing import joined
from tests.support.broker import eventually
from tests.support.client import ApiClient
from tests.support.documents import text_pdf
from tests.support.replicas import originals

Json = dict[str, Any]
_RESTS = ("", "/pages", "/text", "/tables", "/download", "/searchable-pdf", "/analysis")


async def read(api: ApiClient) -> Json:
    """A document that was uploaded and read."""
    uploaded: Json = (await api.upload("a.pdf", text_pdf())).json()
    await api.ended(uploaded["job_id"])
    return uploaded


def reads(uploaded: Json) -> list[str]:
    """Every path by which a document is read."""
    paths = [f"/api/v1/documents/{uploaded['id']}{rest}" for rest in _RESTS]
    return [*paths, f"/api/v1/jobs/{uploaded['job_id']}", f"/api/v1/jobs/{uploaded['job_id']}/events"]


async def answers(api: ApiClient, uploaded: Json) -> set[tuple[int, str]]:
    """What all of them answer."""
    got = [await api.http.get(path) for path in reads(uploaded)]
    return {(one.status_code, one.json()["error"]) for one in got}


async def checked(api: ApiClient, receipt: str) -> Json:
    """What a receipt says, checked with what the installation publishes."""
    jwks = (await api.http.get("/.well-known/jwks.json")).json()
    header = jwt.get_unverified_header(receipt)
    [key] = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    claims: Json = jwt.decode(receipt, jwt.PyJWK(key), algorithms=["EdDSA"], issuer="pagemesh")
    return claims


async def test_erasing_at_once(stack: Background) -> None:
    """The answer proves it, a repeat is the same, and the receipt opens nothing."""
    ada, bob = [await ApiClient(stack.url).register() for _ in range(2)]
    before = originals(stack)
    uploaded = await read(ada)
    [original] = originals(stack) - before
    path = f"/api/v1/documents/{uploaded['id']}?erase=true"
    assert 404 == (await bob.http.delete(path)).status_code
    erased = await ada.http.delete(path)
    assert (200, False) == (erased.status_code, original.exists())
    erasure: Json = erased.json()
    claims = await checked(ada, erasure["receipt"])
    same = ("kind", "reason", "erased_at", "objects")
    assert [erasure["id"], *(erasure[name] for name in same)] == [claims["sub"], *(claims[name] for name in same)]
    assert ("document", "requested", 4) == (erasure["kind"], erasure["reason"], erasure["objects"])
    assert erasure == (await ada.http.delete(path)).json() == await ada.get(f"/api/v1/erasures/{uploaded['id']}")
    assert erasure == await ada.get(f"/api/v1/erasures/{uploaded['job_id']}")
    assert [erasure] == (await ada.get("/api/v1/erasures"))["items"]
    assert {(404, "not_found")} == await answers(ada, uploaded)
    unknown = await bob.http.get(f"/api/v1/erasures/{uuid.uuid4()}")
    foreign = await bob.http.get(f"/api/v1/erasures/{uploaded['id']}")
    assert (404, unknown.content) == (foreign.status_code, foreign.content)
    bearer = {"authorization": f"Bearer {erasure['receipt']}"}
    assert 401 == (await ada.http.get("/api/v1/documents", headers=bearer)).status_code
    assert 0 == (await ada.get("/api/v1/organizations/me/usage"))["usage"]["storage_bytes"]
    for api in (ada, bob):
        await api.close()


async def test_what_is_asked_wrongly(stack: Background) -> None:
    """Is refused before anything is deleted."""
    ada = await ApiClient(stack.url).register()
    uploaded = await read(ada)
    path = f"/api/v1/documents/{uploaded['id']}"
    assert 422 == (await ada.http.delete(path, params={"erase": "perhaps"})).status_code
    assert 422 == (await ada.http.get("/api/v1/erasures", params={"per_page": "101"})).status_code
    assert 404 == (await ada.http.get("/api/v1/erasures/no-id")).status_code
    assert 404 == (await ada.http.get(f"/api/v1/erasures/{uploaded['id']}")).status_code
    assert 204 == (await ada.http.delete(path, params={"erase": "false"})).status_code
    await ada.close()


async def sweep(stack: Background) -> None:
    """Another replica's sweep."""
    state = stack.state
    settings = ResultsSettings(
        auth_url=f"unix:{state.sockets['auth']}",
        database_url=SecretStr(database_url(stack.layout.sockets / "postgres", "postgres")),
        nats_url=SecretStr(nats.url(state.ports["nats"], stack.layout.secret("nats"))),
        service_secret=SecretStr(stack.layout.secret("service")),
        storage_url=stack.layout.blobs.as_uri(),
    )
    bus, blobs = await Bus.connect(settings), Blobs(settings.storage_url)
    store = Store(db.connect(settings.database_url.get_secret_value(), SCHEMA, 2))
    auth = client.connect(settings.auth_url, settings)
    aftermath = Aftermath(StatusFeed(bus), Stopping(bus, store))
    await Sweeping.build(settings, store, blobs, bus, aftermath, auth).sweeper.sweep()
    await auth.close()
    await store.close()
    await bus.close()


def age(stack: Background, document_id: str, days: int) -> None:
    """Makes a document so old."""
    url = make_url(database_url(stack.layout.sockets / "postgres", "postgres")).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.execute(
            "UPDATE results.documents SET created_at = now() - make_interval(days => %s) WHERE id = %s",
            (days, document_id),
        )


async def test_what_expired(stack: Background) -> None:
    """410 on every path, polls that were warm a moment ago included; 404 to others, as for what never was."""
    ada, bob = [await ApiClient(stack.url).register() for _ in range(2)]
    old, young = await read(ada), await read(ada)
    changed = await ada.http.put("/api/v1/organizations/me", json={"settings": {"retention_days": 7}})
    assert 200 == changed.status_code
    age(stack, old["id"], 8)
    age(stack, young["id"], 6)
    assert 200 == (await ada.http.get(f"/api/v1/jobs/{old['job_id']}")).status_code
    await sweep(stack)

    async def is_told() -> bool:  # by the status feed, at once; no gateway remembers it longer than a minute
        return (await ada.http.get(f"/api/v1/jobs/{old['job_id']}")).status_code == 410

    await eventually(is_told, within=5)
    assert {(410, "expired")} == await answers(ada, old)
    assert {(404, "not_found")} == await answers(bob, old)
    analyze = await ada.http.post(f"/api/v1/documents/{old['id']}/analyze", json={"analysis_type": "summary"})
    assert (410, 410) == (
        analyze.status_code,
        (await ada.http.delete(f"/api/v1/documents/{old['id']}")).status_code,
    )
    assert "expired" == (await checked(ada, (await ada.get(f"/api/v1/erasures/{old['id']}"))["receipt"]))["reason"]
    listed: list[httpx.Response] = [await ada.http.get(f"/api/v1/{kind}") for kind in ("documents", "jobs")]
    assert [[young["id"]], [young["job_id"]]] == [[item["id"] for item in one.json()["items"]] for one in listed]
    for api in (ada, bob):
        await api.close()


async def test_documents_outlive_the_account_that_uploaded_them(stack: Background) -> None:
    """They belong to the organization: admins read and erase them when their member has gone."""
    admin = await ApiClient(stack.url).register()
    member = await joined(admin, stack.url)
    await admin.http.put("/api/v1/organizations/me", json={"settings": {"allow_sharing": False}})
    uploaded = await read(member)
    assert 204 == (await member.http.delete("/api/v1/users/me")).status_code
    assert uploaded["id"] == (await admin.get(f"/api/v1/documents/{uploaded['id']}"))["id"]
    erased = await admin.http.delete(f"/api/v1/documents/{uploaded['id']}", params={"erase": "true"})
    assert 200 == erased.status_code
    for api in (admin, member):
        await api.close()


async def test_members_see_what_was_theirs(stack: Background) -> None:
    """Erasures are not shared, documents or not."""
    admin = await ApiClient(stack.url).register()
    ada, bob = await joined(admin, stack.url), await joined(admin, stack.url)
    uploaded = await read(ada)
    assert 200 == (await ada.http.delete(f"/api/v1/documents/{uploaded['id']}?erase=true")).status_code
    path = f"/api/v1/erasures/{uploaded['id']}"
    assert [200, 200, 404] == [(await api.http.get(path)).status_code for api in (ada, admin, bob)]
    totals = [(await api.get("/api/v1/erasures"))["total"] for api in (ada, admin, bob)]
    assert [1, 1, 0] == totals
    for api in (admin, ada, bob):
        await api.close()
