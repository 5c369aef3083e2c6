"""What is deleted or too old is gone, with a receipt: real PostgreSQL, NATS, `auth` and blobs; time is the record's."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh import client
from mesh.bus import Bus
from mesh.dead import about_job, copy
from mesh.errors import NotFound
from pagemesh.auth.v1.auth_pb2 import UpdateOrganizationRequest
from pagemesh.auth.v1.auth_pb2_grpc import OrganizationServiceStub
from pagemesh.results.v1 import erasures_pb2, results_pb2
from pagemesh.results.v1.runs_pb2 import SubmitRunRequest
from pagemesh.results.v1.runs_pb2_grpc import RunServiceStub
from pagemesh.work.v1.work_pb2 import Task
from services.auth.settings import AuthSettings
from services.results.erasure import ERASED
from services.results.settings import ResultsSettings
from services.results.tombstones import Tombstone
from tests.contract.erasing import NEVER, Erasing, checked, killable, orphans, reason, served
from tests.contract.recording import inspected
from tests.support.broker import eventually
from tests.support.services import Caller


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service, which does not sweep by itself."""
    url = SecretStr(fresh_database())
    return ResultsSettings(
        listen=f"unix:{server_directory}/erasure.sock", database_url=url, sweep_seconds=NEVER, **common
    )


@pytest.fixture(scope="module")
async def results(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Erasing]:
    """The service on a directory."""
    async with served(settings, bus) as erasing:
        yield erasing


@pytest.fixture
async def caller(auth_service: AuthSettings) -> Caller:
    """The admin of an organization that has nothing yet."""
    return await Caller.register(auth_service)


async def test_what_was_deleted_is_erased(
    results: Erasing, caller: Caller, bob: Caller, auth_service: AuthSettings
) -> None:
    """Blobs and rows, all counted; it looks like what never was, and a receipt proves that it is gone."""
    document, job = await results.read_large(caller)
    await results.delete(caller, document.id)
    assert (2, 4) == (len(await results.left(document)), results.record.rows_of(document.id))
    assert {"not_found"} == await results.absence(caller, document, job)
    assert "not_found" == await reason(results.erasure(caller, document.id))
    await results.sweep()
    assert ([], 0) == (await results.left(document), results.record.rows_of(document.id))
    assert {"not_found"} == await results.absence(caller, document, job)
    erasure = await results.erasure(caller, document.id)
    assert erasure == await results.erasure(caller, job.id)
    claims = await checked(erasure.receipt, auth_service)
    del claims["iat"], claims["jti"]
    assert {
        "iss": "pagemesh",
        "org": caller.organization_id,
        "sub": document.id,
        "kind": "document",
        "reason": "deleted",
        "objects": 6,
        "erased_at": erasure.erased_at.ToDatetime().isoformat(timespec="microseconds") + "Z",
        "digest": f"sha256:{document.sha256}",
    } == claims
    assert (6, erasures_pb2.ERASURE_REASON_DELETED) == (erasure.objects, erasure.reason)
    for thing in (document.id, job.id):
        assert "not_found" == await reason(results.erasure(bob, thing))


async def test_what_is_too_old_expires(results: Erasing, caller: Caller, bob: Caller) -> None:
    """Its organization is told so and nobody else; a job under way is cancelled, and what comes of it dropped."""
    young, _ = await results.read_large(caller)
    old, job = await results.submit_stored(caller)
    held = await results.hands.next(old.id, "inspect")
    results.record.age(young.id, 89.9)
    results.record.age(old.id, 90.1)
    await results.sweep()
    assert young.id == (await results.document(caller, young.id)).id
    assert {"expired"} == await results.absence(caller, old, job)
    assert {"not_found"} == await results.absence(bob, old, job)
    assert erasures_pb2.ERASURE_REASON_EXPIRED == (await results.erasure(caller, old.id)).reason
    await held.finish(inspected([False], await results.outcomes(1)))
    _, last = await results.read(caller)
    await results.ended(caller, last.id)
    assert ([], 0) == (await results.left(old), results.record.rows_of(old.id))


async def test_followers_hear_that_it_is_gone(results: Erasing, caller: Caller) -> None:
    """So that no gateway answers from memory."""
    document, job = await results.read_large(caller)
    told: list[bytes] = []
    subject = f"status.{caller.organization_id}.{job.id}"
    listening = await results.hands.bus.listen(subject, lambda _, payload: told.append(payload))
    await results.hands.bus.connection.flush()
    results.record.age(document.id, 91)
    await results.sweep()

    async def heard() -> bool:
        return told == [b""]

    await eventually(heard)
    await listening.unsubscribe()


async def test_what_an_organization_chooses_holds_at_the_next_sweep(
    results: Erasing, caller: Caller, bob: Caller, auth_service: AuthSettings
) -> None:
    """For its own documents alone."""
    (own, _), (others, _) = [await results.read_large(one) for one in (caller, bob)]
    for document in (own, others):
        results.record.age(document.id, 31)
    await results.sweep()
    await results.document(caller, own.id)
    channel = client.connect(auth_service.listen, auth_service)
    await caller.call(OrganizationServiceStub(channel).UpdateOrganization, UpdateOrganizationRequest(retention_days=30))
    await channel.close()
    await results.sweep()
    assert "expired" == await reason(results.document(caller, own.id))
    assert others.id == (await results.document(bob, others.id)).id


async def test_while_auth_is_away_nothing_expires(
    results: Erasing, caller: Caller, tmp_path: Path, auth_service: AuthSettings
) -> None:
    """What was deleted goes all the same; its receipt follows as soon as `auth` is back, or knows the service."""
    (old, _), (deleted, _) = [await results.read_large(caller) for _ in range(2)]
    results.record.age(old.id, 1_000)
    await results.delete(caller, deleted.id)
    for without in ({"auth_url": f"unix:{tmp_path}/nobody.sock"}, {"service_secret": SecretStr("wrong")}):
        await results.sweep(**without)
        results.record.wait_no_longer()
        assert old.id == (await results.document(caller, old.id)).id
        erasure = await results.erasure(caller, deleted.id)
        assert ([], 6, "") == (await results.left(deleted), erasure.objects, erasure.receipt)
    await results.sweep()
    assert "expired" == await reason(results.document(caller, old.id))
    assert deleted.id == (await checked((await results.erasure(caller, deleted.id)).receipt, auth_service))["sub"]


async def test_a_sweep_that_is_killed_is_finished_by_the_next(results: Erasing, caller: Caller, tmp_path: Path) -> None:
    """Killed when the blobs are gone and the rows are not: the count is of all that there was."""
    document, job = await results.read_large(caller)
    results.record.age(document.id, 91)

    async def blobs_are_gone() -> bool:
        return await results.left(document) == []

    with results.record.connect() as holding, killable(results.settings, tmp_path / "log") as process:
        holding.execute("SELECT FROM pages WHERE document_id = %s FOR UPDATE", (document.id,))
        await eventually(blobs_are_gone)
        assert 4 == results.record.rows_of(document.id)
        process.kill()
        process.wait()
    assert {"expired"} == await results.absence(caller, document, job)
    assert "not_found" == await reason(results.erasure(caller, document.id))
    results.record.wait_no_longer()
    await results.sweep()
    erasure = await results.erasure(caller, document.id)
    assert (0, 6, True) == (results.record.rows_of(document.id), erasure.objects, erasure.receipt != "")


async def test_many_sweepers_erase_once(results: Erasing, caller: Caller) -> None:
    """Each thing is erased by one of them, and counted once."""
    documents = [(await results.submit_stored(caller))[0] for _ in range(50)]
    for number, document in enumerate(documents):
        if number % 2:
            await results.delete(caller, document.id)
        else:
            results.record.age(document.id, 91)

    def erased() -> float:
        return float(sum(ERASED.labels("document", why)._value.get() for why in ("deleted", "expired")))

    before = erased()
    await asyncio.gather(*(results.sweep() for _ in range(3)))
    assert 50 == erased() - before
    listed = await caller.call(results.erasures.ListErasures, erasures_pb2.ListErasuresRequest(page=1, per_page=100))
    assert ({one.id for one in documents}, 50) == ({one.id for one in listed.erasures}, listed.total)
    assert {3} == {one.objects for one in listed.erasures}
    assert all(one.receipt for one in listed.erasures)
    times = [one.erased_at.ToNanoseconds() for one in listed.erasures]
    assert sorted(times, reverse=True) == times


async def test_a_list_has_pages(results: Erasing, caller: Caller) -> None:
    """And numbers that make no sense are refused."""
    for _ in range(3):
        await results.delete(caller, (await results.submit_stored(caller))[0].id, erase=True)
    request = erasures_pb2.ListErasuresRequest
    second = await caller.call(results.erasures.ListErasures, request(page=2, per_page=2))
    assert (1, 3) == (len(second.erasures), second.total)
    for wrong in (request(page=-1), request(per_page=101)):
        assert "invalid_argument" == await reason(caller.call(results.erasures.ListErasures, wrong))


async def test_erasing_at_once(results: Erasing, caller: Caller, bob: Caller, auth_service: AuthSettings) -> None:
    """Answers the receipt; a repeat answers the same one, others and what never was find nothing."""
    document, job = await results.read_large(caller)
    assert "not_found" == await reason(results.delete(bob, document.id, erase=True))
    erasure = await results.delete(caller, document.id, erase=True)
    assert ([], 0, 6) == (await results.left(document), results.record.rows_of(document.id), erasure.objects)
    claims = await checked(erasure.receipt, auth_service)
    assert (document.id, "requested", 6) == (claims["sub"], claims["reason"], claims["objects"])
    assert erasure == await results.delete(caller, document.id, erase=True)
    assert erasure == await results.erasure(caller, document.id)
    assert {"not_found"} == await results.absence(caller, document, job)
    for other, thing in ((bob, document.id), (caller, job.id), (caller, str(uuid.uuid4()))):
        assert "not_found" == await reason(results.delete(other, thing, erase=True))


async def test_erasing_at_once_what_was_deleted_before(results: Erasing, caller: Caller) -> None:
    """Nobody has to wait for the sweep."""
    document, _ = await results.read_large(caller)
    await results.delete(caller, document.id)
    erasure = await results.delete(caller, document.id, erase=True)
    assert ([], erasures_pb2.ERASURE_REASON_REQUESTED) == (await results.left(document), erasure.reason)


async def test_what_was_never_fetched_is_erased(results: Erasing, caller: Caller) -> None:
    """A run's document without an original keeps no other from being erased."""
    request = SubmitRunRequest(id=str(uuid.uuid4()), url="https://example.org/a.pdf", max_bytes=1_000)
    run = (await caller.call(RunServiceStub(results.channel).SubmitRun, request)).run
    stored, _ = await results.submit_stored(caller)
    for document_id in (run.document_id, stored.id):
        await results.delete(caller, document_id)
    await results.sweep()
    for document_id, objects in ((run.document_id, 2), (stored.id, 3)):
        assert (0, objects) == (
            results.record.rows_of(document_id),
            (await results.erasure(caller, document_id)).objects,
        )


async def test_nothing_is_erased_that_is_not_hidden(results: Erasing, caller: Caller) -> None:
    """Whatever asks for it."""
    document, _ = await results.read_large(caller)
    async with results.sweeping() as sweeping:
        with pytest.raises(NotFound):
            await sweeping.erasure.erase_now("document", uuid.UUID(document.id))
    assert (2, 4) == (len(await results.left(document)), results.record.rows_of(document.id))


async def test_an_original_goes_with_the_last_document_that_has_it(results: Erasing, caller: Caller) -> None:
    """Who submits one original twice loses none of it with the first."""
    one, _ = await results.submit_stored(caller)
    request = results_pb2.SubmitJobRequest(document=one, job_id=str(uuid.uuid4()), priority=5)
    request.document.id = str(uuid.uuid4())
    other = (await caller.call(results.jobs.SubmitJob, request)).document
    # The document and its job; its task, too, unless that was taken back before.
    assert (await results.delete(caller, one.id, erase=True)).objects in (2, 3)
    assert await results.blobs.holds(one.storage_key)
    assert (await results.delete(caller, other.id, erase=True)).objects in (3, 4)
    assert not await results.blobs.holds(one.storage_key)


async def test_a_document_that_came_back_is_erased_again(results: Erasing, caller: Caller) -> None:
    """A repeat of its upload makes it anew under the same id."""
    document, _ = await results.submit_stored(caller)
    request = results_pb2.SubmitJobRequest(document=document, job_id=str(uuid.uuid4()), priority=5)
    request.document.id = str(uuid.uuid4())
    made = [await caller.call(results.jobs.SubmitJob, request)]
    first = await results.delete(caller, made[0].document.id, erase=True)
    made.append(await caller.call(results.jobs.SubmitJob, request))
    assert made[0].document.id == made[1].document.id == (await results.document(caller, first.id)).id
    await results.delete(caller, first.id)
    await results.sweep()
    assert (0, {"not_found"}) == (
        results.record.rows_of(first.id),
        await results.absence(caller, made[1].document, made[1].job),
    )
    again = await results.erasure(caller, first.id)
    assert (True, True) == (again.erased_at.ToNanoseconds() > first.erased_at.ToNanoseconds(), bool(again.receipt))


async def test_copies_among_the_dead_go_too(results: Erasing, caller: Caller) -> None:
    """Those about the document's jobs, and no others."""
    (document, job), (_, other) = [await results.read_large(caller) for _ in range(2)]
    bus = results.hands.bus
    for one in (job, other):
        subject, kept = copy("ocr", Task(job_id=one.id).SerializeToString())
        await bus.publish(subject, kept, uuid.uuid4().hex)
    await results.delete(caller, document.id, erase=True)

    async def copies(job_id: str) -> int:
        info = await bus.jetstream.stream_info("DEAD", subjects_filter=about_job(job_id))
        return sum((info.state.subjects or {}).values())

    assert (0, 1) == (await copies(job.id), await copies(other.id))


async def test_storage_is_given_back_when_a_document_is_hidden(results: Erasing, caller: Caller) -> None:
    """Once, by whoever hides it: erasing changes nothing any more."""

    def stored() -> int:
        [(total,)] = results.record.run(
            "SELECT sum(storage_bytes) FROM usage WHERE organization_id = %s", caller.organization_id
        )
        return int(total)

    one, two, three = [(await results.submit_stored(caller))[0] for _ in range(3)]
    assert 21 == stored()
    await results.delete(caller, one.id)
    assert 14 == stored()
    results.record.age(two.id, 91)
    await results.sweep()
    assert 7 == stored()
    await results.delete(caller, three.id, erase=True)
    await results.sweep()
    assert 0 == stored()


async def test_receipts_are_renewed_when_their_key_is_gone(
    results: Erasing, caller: Caller, auth_service: AuthSettings
) -> None:
    """What is answered can always be checked; one that can is left alone."""
    document, _ = await results.submit_stored(caller)
    first = await results.delete(caller, document.id, erase=True)
    await results.sweep()
    assert first == await results.erasure(caller, document.id)
    results.record.run(
        "UPDATE erasures SET key_id = 'retired', receipt = 'of a retired key' WHERE id = %s", document.id
    )
    await results.sweep()
    renewed = await results.erasure(caller, document.id)
    claims = [await checked(one.receipt, auth_service) for one in (first, renewed)]
    assert claims[0]["jti"] != claims[1]["jti"]
    for each in claims:
        del each["iat"], each["jti"]
    assert claims[0] == claims[1]


async def test_tombstones_are_forgotten_in_their_turn(results: Erasing, caller: Caller) -> None:
    """Then what expired is as unknown as everything else."""
    document, job = await results.submit_stored(caller)
    results.record.age(document.id, 91)
    await results.sweep()
    results.record.run("UPDATE erasures SET erased_at = now() - interval '89 days' WHERE id = %s", document.id)
    await results.sweep()
    assert {"expired"} == await results.absence(caller, document, job)
    await results.sweep(tombstone_days=88)
    assert {"not_found"} == await results.absence(caller, document, job)
    assert "not_found" == await reason(results.erasure(caller, document.id))
    assert [] == results.record.run("SELECT id FROM erasures WHERE id = %s OR id = %s", document.id, job.id)


async def test_what_was_never_recorded_gets_a_receipt(
    results: Erasing, caller: Caller, auth_service: AuthSettings
) -> None:
    """Work that left nothing on any disk is told as erased; telling it twice changes nothing."""
    thing = uuid.uuid4()
    tombstone = Tombstone(
        thing, uuid.UUID(caller.organization_id), uuid.UUID(caller.user_id), "task", "expired", objects=3
    )
    async with results.sweeping() as sweeping:
        for _ in range(2):
            await sweeping.erasure.record(tombstone)
        await sweeping.sweeper.sweep()
    erasure = await results.erasure(caller, str(thing))
    claims = await checked(erasure.receipt, auth_service)
    assert ("task", "expired", 3, False) == (claims["kind"], claims["reason"], claims["objects"], "digest" in claims)


async def test_orphans_are_erased_when_they_are_old(results: Erasing, caller: Caller) -> None:
    """Those that are surely ours; the rest is left to whom it belongs."""
    document, _ = await results.submit_stored(caller)
    await results.delete(caller, document.id, erase=True)
    made = await orphans(results, caller, document.id)
    results.record.run("UPDATE chores SET due_at = now()")
    await results.sweep()
    assert set(made) == {name for name, key in made.items() if await results.blobs.holds(key)}
    root = Path(results.settings.storage_url.removeprefix("file://"))
    for key in made.values():
        os.utime(root / key, (time.time() - 90_000,) * 2)
    await results.sweep()  # it was done today
    assert await results.blobs.holds(made["lost"])
    results.record.run("UPDATE chores SET due_at = now()")
    await results.sweep(orphan_hours=0)
    assert await results.blobs.holds(made["lost"])
    await results.sweep()
    assert set(made) - {"lost", "late page"} == {name for name, key in made.items() if await results.blobs.holds(key)}


async def test_jobs_of_what_expired_are_not_listed(results: Erasing, caller: Caller) -> None:
    """Neither are documents."""
    document, _ = await results.read_large(caller)
    results.record.age(document.id, 91)
    await results.sweep()
    jobs = await caller.call(results.jobs.ListJobs, results_pb2.ListJobsRequest(page=1, per_page=10))
    documents = await caller.call(results.documents.ListDocuments, results_pb2.ListDocumentsRequest(page=1))
    assert (0, 0) == (jobs.total, documents.total)
