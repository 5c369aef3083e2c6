"""Usage over gRPC, with a real PostgreSQL and a real NATS: exactly what happened, whatever comes twice."""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mesh.blobs import Blobs
from mesh.bus import Bus
from mesh.errors import InvalidArgument
from pagemesh.gateway.v1.events_pb2 import CallsCounted, DayCalls
from pagemesh.results.v1 import results_pb2
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig, TokenUsage
from pagemesh.results.v1.job_pb2 import JobConfig
from pagemesh.results.v1.outcome_pb2 import Failure, PageOutcome
from pagemesh.results.v1.usage_pb2 import GetUsageRequest, GetUsageResponse
from pagemesh.results.v1.usage_pb2_grpc import UsageServiceStub
from services.auth.settings import AuthSettings
from services.gateway.metering import SUBJECT
from services.results.service import serve
from services.results.settings import ResultsSettings
from tests.contract.recording import Results, fact, found, inspected, submission
from tests.support.broker import eventually
from tests.support.servers import NatsServer
from tests.support.services import Caller, Hands, running

TODAY = int(time.time()) // 86_400


class Metered(Results):
    """Clients of the service, usage among them."""

    def __init__(self, channel: Any, hands: Hands, blobs: Blobs) -> None:
        super().__init__(channel, hands, blobs)
        self.service = UsageServiceStub(channel)

    async def used(
        self, caller: Caller, first: int = TODAY - 1, last: int = TODAY + 1, **more: Any
    ) -> GetUsageResponse:
        """What the caller's organization used, midnight notwithstanding."""
        request = GetUsageRequest(first_day=first, last_day=last, **more)
        answer: GetUsageResponse = await caller.call(self.service.GetUsage, request)
        return answer


@pytest.fixture(scope="module")
def settings(common: dict[str, Any], fresh_database: Callable[[], str], server_directory: Path) -> ResultsSettings:
    """Settings of the service."""
    url = SecretStr(fresh_database())
    return ResultsSettings(listen=f"unix:{server_directory}/usage.sock", database_url=url, **common)


@pytest.fixture(scope="module")
async def metered(settings: ResultsSettings, bus: Bus) -> AsyncIterator[Metered]:
    """The running service with workers."""
    hands = Hands(bus)
    async with running(serve, settings) as channel:
        await hands.start()
        yield Metered(channel, hands, Blobs(settings.storage_url))
        await hands.stop()


@pytest.fixture
async def caller(auth_service: AuthSettings) -> Caller:
    """Somebody whose organization has used nothing."""
    return await Caller.register(auth_service)


async def test_documents_pages_and_tokens_count_once(metered: Metered, caller: Caller, ada: Caller) -> None:
    """Repeated uploads, redelivered facts and failed pages add nothing; another organization has its own."""
    config = JobConfig(analysis=AnalysisConfig(analysis_type="summary"))
    request = submission(caller, file_size=1000, config=config)
    for _ in range(3):
        submitted = await caller.call(metered.jobs.SubmitJob, request)
    document_id = submitted.document.id
    held = await metered.hands.next(document_id, "inspect")
    bad = PageOutcome(number=3, failure=Failure(code="unreadable_page", message="It cannot be read."))
    news = inspected([False] * 3, [*await metered.outcomes(1, 2), bad])
    await held.finish(news)
    analysis = await metered.hands.next(document_id, "analyze")
    outcome = found()
    outcome.outcome.token_usage.CopyFrom(TokenUsage(input_tokens=30, output_tokens=12, total_tokens=42))
    await metered.hands.say(fact(held, inspected=news))
    await analysis.finish(outcome)
    await metered.ended(caller, submitted.job.id)
    await metered.hands.say(fact(analysis, analyzed=outcome))
    _, last = await metered.read(caller)  # facts are taken in in order: by now the repeated ones have been
    await metered.ended(caller, last.id)
    assert GetUsageResponse(documents=2, pages=3, tokens=42, storage_bytes=1007) == await metered.used(caller)
    assert 1000 != (await metered.used(ada)).storage_bytes


async def test_deleting_frees_storage_alone(metered: Metered, caller: Caller) -> None:
    """What was read was read; deleting twice frees once."""
    document, job = await metered.read(caller, file_size=500)
    await metered.submit(caller, file_size=70)
    await metered.ended(caller, job.id)
    request = results_pb2.DeleteDocumentRequest(document_id=document.id)
    await caller.call(metered.documents.DeleteDocument, request)
    with pytest.raises(Exception, match="no such document"):
        await caller.call(metered.documents.DeleteDocument, request)
    assert GetUsageResponse(documents=2, pages=1, storage_bytes=70) == await metered.used(caller)


async def test_days_outside_do_not_count(metered: Metered, caller: Caller) -> None:
    """A period before has nothing; a period after has what is stored, and nothing else."""
    await metered.submit(caller, file_size=70)
    assert GetUsageResponse() == await metered.used(caller, TODAY - 40, TODAY - 10)
    assert GetUsageResponse(storage_bytes=70) == await metered.used(caller, TODAY + 10, TODAY + 40)


async def test_calls_are_totals(metered: Metered, caller: Caller, bus: Bus) -> None:
    """Of each gateway and day the largest total counts, however often and in whatever order totals come."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    for gateway, day, calls in (
        *((one, TODAY, 5), (one, TODAY, 9), (one, TODAY, 7), (one, TODAY, 9)),
        *((other, TODAY, 20), (one, TODAY - 1, 100), (one, TODAY - 9, 1000)),
    ):
        days = [DayCalls(organization_id=caller.organization_id, day=day, calls=calls)]
        event = CallsCounted(gateway_id=gateway, days=days)
        await bus.publish(SUBJECT, event.SerializeToString(), uuid.uuid4().hex)
    await bus.publish(SUBJECT, b"\xff is no event", uuid.uuid4().hex)

    async def all_known() -> bool:
        return (await metered.used(caller, TODAY - 30)).calls == 1129

    await eventually(all_known)
    asked = await metered.used(caller, gateway_id=one, gateway_first_day=TODAY)
    assert (129, 9) == (asked.calls, asked.calls_of_gateway)


async def test_impossible_days(metered: Metered, caller: Caller) -> None:
    """A period ends no earlier than it begins, and lies where there is a calendar."""
    for first, last in ((2, 1), (-1, 1), (1, 3_000_000)):
        with pytest.raises(InvalidArgument):
            await metered.used(caller, first, last)


async def test_calls_outlive_the_broker(metered: Metered, caller: Caller, bus: Bus, nats_server: NatsServer) -> None:
    """What was taken in is in the record: a broker that loses everything takes none of it away."""
    gateway = str(uuid.uuid4())

    async def tell(calls: int) -> None:
        days = [DayCalls(organization_id=caller.organization_id, day=TODAY, calls=calls)]
        event = CallsCounted(gateway_id=gateway, days=days)
        await bus.publish(SUBJECT, event.SerializeToString(), uuid.uuid4().hex)

    async def known(calls: int) -> bool:
        return (await metered.used(caller)).calls == calls

    await tell(3)
    await eventually(lambda: known(3))
    nats_server.wipe()
    await tell(4)
    await eventually(lambda: known(4))
