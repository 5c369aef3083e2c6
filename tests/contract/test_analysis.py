"""The analysis service over gRPC and NATS: the built-in analyzer, and a provider behind real HTTP."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pydantic import SecretStr

from mesh import client
from mesh.errors import InvalidArgument, NotFound, PagemeshError, Unauthenticated, Unavailable, to_status
from mesh.identity import TokenVerifier
from mesh.settings import MeshSettings
from pagemesh.analysis.v1.analysis_pb2 import AnalyzeRequest, AnalyzeResponse, ListModelsRequest
from pagemesh.analysis.v1.analysis_pb2_grpc import AnalysisServiceStub
from pagemesh.auth.v1.auth_pb2 import GetJwksRequest
from pagemesh.auth.v1.auth_pb2_grpc import TokenServiceStub
from pagemesh.auth.v1.provider_keys_pb2 import PutProviderKeyRequest
from pagemesh.auth.v1.provider_keys_pb2_grpc import ProviderKeyServiceStub
from pagemesh.results.v1.analysis_pb2 import AnalysisConfig
from pagemesh.results.v1.page_pb2 import Box, Line, Page
from pagemesh.results.v1.results_pb2 import StreamPagesRequest, StreamPagesResponse
from pagemesh.results.v1.results_pb2_grpc import DocumentServiceServicer, add_DocumentServiceServicer_to_server
from pagemesh.work.v1.work_pb2 import AnalyzeTask, Fact, Task
from services.analysis.service import serve
from services.analysis.settings import AnalysisSettings
from services.auth.settings import AuthSettings
from tests.contract.authing import dsn
from tests.support.broker import eventually
from tests.support.llm_server import Fail, LlmServer, Slow
from tests.support.services import Caller, Facts, running

TEXTS = ("Harbour report 2025\nRevenue: $1,250,000\nProfit: $310,000", "Outlook\nThe harbour expects more ships.")


def page(number: int, text: str) -> Page:
    """A page with its lines, one below the other."""
    lines = [
        Line(text=line, box=Box(left=72, top=72 + 16 * row, right=300, bottom=84 + 16 * row))
        for row, line in enumerate(text.splitlines())
    ]
    return Page(number=number, width=595, height=842, text=text, lines=lines, language="eng")


PAGES = [page(number, text) for number, text in enumerate(TEXTS, start=1)]


class Record(DocumentServiceServicer):
    """Documents of the test, shown to who may act in their organization."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self.documents: dict[str, tuple[str, list[Page]]] = {}
        self.away = 0

    def add(self, organization_id: str, pages: list[Page]) -> Task:
        """A task about a new document."""
        document_id = str(uuid.uuid4())
        self.documents[document_id] = (organization_id, pages)
        return Task(job_id=str(uuid.uuid4()), document_id=document_id, organization_id=organization_id)

    async def StreamPages(self, request: StreamPagesRequest, ctx: Any) -> AsyncIterator[StreamPagesResponse]:
        metadata = dict(ctx.invocation_metadata())
        caller = await self._verifier.verify(metadata["authorization"].removeprefix("Bearer "))
        organization_id, pages = self.documents.get(request.document_id, ("", []))
        if self.away:
            self.away -= 1
            await ctx.abort_with_status(to_status(Unavailable("away")))
        if (caller.organization_id, caller.role) != (organization_id, "service"):
            await ctx.abort_with_status(to_status(NotFound("There is no such document.")))
        for each in pages:
            yield StreamPagesResponse(page=each)


@asynccontextmanager
async def recording(record: Record, listen: str) -> AsyncIterator[None]:
    """The record on a socket."""
    server = grpc.aio.server()
    add_DocumentServiceServicer_to_server(record, server)
    server.add_insecure_port(listen)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


class Analysis:
    """A client of the service, its worker's tasks, and the record."""

    def __init__(self, channel: grpc.aio.Channel, record: Record, facts: Facts) -> None:
        self.stub = AnalysisServiceStub(channel)
        self.record = record
        self._facts = facts

    async def analyze(self, caller: Caller, config: AnalysisConfig, pages: list[Page]) -> list[AnalyzeResponse]:
        """Everything that the stream tells. Raises a PagemeshError."""
        return await caller.stream(self.stub.Analyze, AnalyzeRequest(pages=pages, config=config))

    async def stopped(self, caller: Caller, config: AnalysisConfig, begun: Callable[[], Awaitable[bool]]) -> Task:
        """A task whose job was cancelled once it had begun."""
        task = self.record.add(caller.organization_id, PAGES)
        task.analyze.CopyFrom(AnalyzeTask(config=config, user_id=caller.user_id))
        await self._facts.put(task)
        await eventually(begun)
        await self._facts.cancel(task)
        return task

    def told(self, task: Task) -> bool:
        """Whether anything was reported of it."""
        return self._facts.told(task)

    async def fact(self, caller: Caller, config: AnalysisConfig, pages: list[Page] = PAGES) -> Fact:
        """The one fact about a document of the caller's organization."""
        task = self.record.add(caller.organization_id, pages)
        task.analyze.CopyFrom(AnalyzeTask(config=config, user_id=caller.user_id))
        [fact] = await self._facts.of(task)
        return fact


@pytest.fixture(scope="module")
async def base(common: dict[str, Any], server_directory: Path) -> AsyncIterator[tuple[dict[str, Any], Record]]:
    """Settings of every service of this module, and the record beside them."""
    listen = f"unix:{server_directory}/documents.sock"
    settings = {**common, "results_url": listen}
    tokens = TokenServiceStub(client.connect(common["auth_url"], MeshSettings()))

    async def jwks() -> str:
        return (await client.call(tokens.GetJwks, GetJwksRequest())).jwks_json

    record = Record(TokenVerifier(jwks))  # type: ignore[abstract]  # nothing else is asked
    async with recording(record, listen):
        yield settings, record


@pytest.fixture
async def analysis(
    base: tuple[dict[str, Any], Record], facts: Facts, server_directory: Path
) -> AsyncIterator[Analysis]:
    """The running service without a provider."""
    settings, record = base
    listen = f"unix:{server_directory}/analysis.sock"
    async with running(serve, AnalysisSettings(**settings, listen=listen)) as channel:
        yield Analysis(channel, record, facts)


@pytest.fixture
def llm() -> Any:
    """A provider on loopback."""
    with LlmServer() as server:
        yield server


@pytest.fixture
async def asking(
    base: tuple[dict[str, Any], Record], facts: Facts, server_directory: Path, llm: LlmServer
) -> AsyncIterator[Analysis]:
    """The running service with the provider."""
    settings, record = base
    provider: dict[str, Any] = {
        "llm_model": "openai/test-model",
        "llm_api_base": llm.url,
        "llm_api_key": SecretStr("sk-secret"),
        "llm_max_attempts": 1,
    }
    values = {**settings, **provider, "listen": f"unix:{server_directory}/asking.sock"}
    async with running(serve, AnalysisSettings(**values)) as channel:
        yield Analysis(channel, record, facts)


async def test_pages_that_the_caller_sends_are_analysed(analysis: Analysis, ada: Caller) -> None:
    """Progress first, the result last; values name their evidence, and nothing was asked elsewhere."""
    first, *_, last = await analysis.analyze(ada, AnalysisConfig(analysis_type="key_value_extraction"), PAGES)
    outcome = last.outcome
    assert ("analyzing", "outcome") == (first.progress.stage, last.WhichOneof("step"))
    found = MessageToDict(outcome.result_data)
    assert "$1,250,000" in str(found["fields"])
    pages = {int(each["page"]) for evidence in found["evidence"].values() for each in evidence}
    assert pages
    assert pages <= {1, 2}
    assert (0, "", False) == (outcome.token_usage.total_tokens, outcome.prompt_sha256, outcome.HasField("cost_usd"))
    assert 0 < outcome.confidence <= 1


@pytest.mark.parametrize(
    ("config", "pages", "reason"),
    [
        (AnalysisConfig(analysis_type="horoscope"), PAGES, "UNKNOWN_ANALYSIS_TYPE"),
        (AnalysisConfig(), PAGES, "UNKNOWN_ANALYSIS_TYPE"),
        (AnalysisConfig(analysis_type="custom"), PAGES, "INVALID_REQUEST"),
        (AnalysisConfig(analysis_type="summary"), [], "NOTHING_TO_ANALYZE"),
        (AnalysisConfig(analysis_type="summary"), [Page(number=1)], "NOTHING_TO_ANALYZE"),
    ],
)
async def test_what_cannot_be_analysed_has_a_reason(
    analysis: Analysis, ada: Caller, config: AnalysisConfig, pages: list[Page], reason: str
) -> None:
    """The same for direct callers and, as a code, for tasks."""
    with pytest.raises(InvalidArgument) as caught:
        await analysis.analyze(ada, config, pages)
    assert reason == caught.value.reason
    fact = await analysis.fact(ada, config, pages)
    assert (reason.lower(), True, True) == (fact.failed.code, bool(fact.failed.message), fact.last)


async def test_a_schema_that_is_none_is_refused(analysis: Analysis, ada: Caller) -> None:
    """Before anything is analysed."""
    options = Struct()
    options.update({"output_schema": {"type": "no such type"}})
    with pytest.raises(InvalidArgument) as caught:
        await analysis.analyze(ada, AnalysisConfig(analysis_type="summary", options=options), PAGES)
    assert "INVALID_OUTPUT_SCHEMA" == caught.value.reason


async def test_without_a_provider_the_built_in_model_is_the_default(analysis: Analysis, ada: Caller) -> None:
    """It sends nothing anywhere."""
    [model] = (await ada.call(analysis.stub.ListModels, ListModelsRequest())).models
    assert (True, True, True) == (bool(model.name), model.is_default, model.built_in)


async def test_a_task_becomes_a_fact(analysis: Analysis, ada: Caller) -> None:
    """Pages come from the record, asked for as a service inside the task's own organization."""
    fact = await analysis.fact(ada, AnalysisConfig(analysis_type="summary"))
    outcome = fact.analyzed.outcome
    assert (True, True) == (fact.last, bool(outcome.result_data["summary"]))
    [model] = (await ada.call(analysis.stub.ListModels, ListModelsRequest())).models
    assert model.name == outcome.model_version


async def test_a_document_that_is_gone_ends_its_task(analysis: Analysis, ada: Caller, bob: Caller) -> None:
    """As does one of another organization: the record shows neither."""
    task = analysis.record.add(bob.organization_id, PAGES)
    gone = Task(document_id=str(uuid.uuid4()))
    for each in (task, gone):
        each.organization_id, each.job_id = ada.organization_id, str(uuid.uuid4())
        each.analyze.CopyFrom(AnalyzeTask(config=AnalysisConfig(analysis_type="summary")))
        [fact] = await analysis._facts.of(each)
        assert "not_found" == fact.failed.code


async def test_a_record_that_is_away_is_waited_for(analysis: Analysis, ada: Caller) -> None:
    """The task is done when it is back."""
    analysis.record.away = 6  # more often than one call tries by itself
    fact = await analysis.fact(ada, AnalysisConfig(analysis_type="summary"))
    assert (0, "analyzed") == (analysis.record.away, fact.WhichOneof("fact"))


async def test_many_tasks_at_once(analysis: Analysis, ada: Caller, bob: Caller) -> None:
    """Each is analysed inside its own organization."""
    config = AnalysisConfig(analysis_type="summary")
    facts = await asyncio.gather(*(analysis.fact(caller, config) for caller in (ada, bob) * 6))
    assert {"analyzed"} == {fact.WhichOneof("fact") for fact in facts}


async def test_without_a_token_nothing_is_analysed(analysis: Analysis) -> None:
    """Not even the list of models."""
    nobody = Caller("forged", "", "")
    with pytest.raises(Unauthenticated):
        await analysis.analyze(nobody, AnalysisConfig(analysis_type="summary"), PAGES)
    with pytest.raises(Unauthenticated):
        await nobody.call(analysis.stub.ListModels, ListModelsRequest())


async def test_a_provider_is_asked(asking: Analysis, llm: LlmServer, ada: Caller) -> None:
    """Over HTTP, with the key; tokens and the prompt's hash are told, and every value has its evidence."""
    fact = await asking.fact(ada, AnalysisConfig(analysis_type="financial_analysis"))
    outcome = fact.analyzed.outcome
    found = MessageToDict(outcome.result_data)
    assert "$1,250,000" == found["key_metrics"]["revenue"]
    assert 1 == found["evidence"]["key_metrics.revenue"][0]["page"]
    assert (64, True) == (len(outcome.prompt_sha256), outcome.token_usage.input_tokens > 0)
    assert ("test-model" in outcome.model_version, {"Bearer sk-secret"}) == (True, set(llm.keys))
    models = (await ada.call(asking.stub.ListModels, ListModelsRequest())).models
    assert [("openai/test-model", True, False), (True, False, True)] == [
        (models[0].name, models[0].is_default, models[0].built_in),
        (bool(models[1].name), models[1].is_default, models[1].built_in),
    ]


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        (Fail(401, echo_key=True), InvalidArgument, "provider_rejected_credentials"),
        (Fail(429, retry_after="0"), Unavailable, "provider_rate_limited"),
        (Fail(503), Unavailable, "provider_unavailable"),
    ],
    ids=["key", "rate", "away"],
)
async def test_a_provider_that_refuses_has_a_code(
    asking: Analysis, llm: LlmServer, ada: Caller, step: Fail, kind: type[PagemeshError], code: str
) -> None:
    """For direct callers and for tasks; the key is in neither."""
    config = AnalysisConfig(analysis_type="summary")
    llm.plan = [step] * 4
    with pytest.raises(kind) as caught:
        await asking.analyze(ada, config, PAGES)
    llm.plan = [step]
    fact = await asking.fact(ada, config)
    assert ({code}, False) == ({caught.value.code, fact.failed.code}, "sk-secret" in f"{caught.value}{fact}")


@pytest.fixture
async def borrowing(
    base: tuple[dict[str, Any], Record], facts: Facts, server_directory: Path, llm: LlmServer
) -> AsyncIterator[Analysis]:
    """The running service without a provider of its own; keys for Anthropic go to the server here."""
    settings, record = base
    more = {"user_key_bases": {"anthropic": llm.anthropic_url}, "llm_max_attempts": 1}
    values = {**settings, **more, "listen": f"unix:{server_directory}/borrowing.sock"}
    async with running(serve, AnalysisSettings(**values)) as channel:
        yield Analysis(channel, record, facts)


async def person(auth: AuthSettings, provider: str = "", key: str = "") -> Caller:
    """Somebody new, with a key for a provider."""
    caller = await Caller.register(auth)
    if provider:
        await put_key(auth, caller, provider, key)
    return caller


async def put_key(auth: AuthSettings, caller: Caller, provider: str, key: str) -> None:
    """Stores a key of the caller's."""
    channel = client.connect(auth.listen, auth)
    request = PutProviderKeyRequest(provider=provider, key=key)
    await caller.call(ProviderKeyServiceStub(channel).PutProviderKey, request)
    await channel.close()


SUMMARY = AnalysisConfig(analysis_type="summary")


async def test_a_users_own_key_is_used(
    asking: Analysis, llm: LlmServer, auth_service: AuthSettings, ada: Caller
) -> None:
    """For tasks and for direct callers, in place of the deployment's, which others' analyses are made with."""
    mine = await person(auth_service, "openai", "sk-proj-of-somebody")
    fact = await asking.fact(mine, SUMMARY)
    assert fact.HasField("analyzed"), fact
    await asking.analyze(mine, SUMMARY, PAGES)
    await asking.fact(ada, SUMMARY)
    assert ["Bearer sk-proj-of-somebody"] * 2 + ["Bearer sk-secret"] == llm.keys
    assert b"of-somebody" not in fact.SerializeToString()


async def test_a_users_own_key_suffices(borrowing: Analysis, llm: LlmServer, auth_service: AuthSettings) -> None:
    """Where the deployment has no model: the usual one of the key's provider is asked, or the one that is named."""
    mine = await person(auth_service, "anthropic", "sk-ant-api03-of-somebody")
    fact = await borrowing.fact(mine, SUMMARY)
    assert "anthropic/claude-sonnet-5" == fact.analyzed.outcome.model_version
    options = Struct()
    options.update({"model": "claude-opus-5"})
    await borrowing.fact(mine, AnalysisConfig(analysis_type="summary", options=options))
    assert ["claude-sonnet-5", "claude-opus-5"] == [request["model"] for request in llm.requests]
    assert {"sk-ant-api03-of-somebody"} == set(llm.keys)


async def test_without_any_key_nothing_is_sent(
    borrowing: Analysis, llm: LlmServer, auth_service: AuthSettings, ada: Caller
) -> None:
    """Another user's key in the same organization does not help; nor does one of another organization's user."""
    mine = await person(auth_service, "anthropic", "sk-ant-api03-of-somebody")
    colleague = Caller(mine.token, str(uuid.uuid4()), mine.organization_id)
    stranger = Caller(ada.token, mine.user_id, ada.organization_id)
    nobody = Caller(ada.token, "", ada.organization_id)
    facts = [await borrowing.fact(one, SUMMARY) for one in (colleague, stranger, nobody, ada)]
    assert [("pagemesh-local", "")] * 4 == [
        (fact.analyzed.outcome.model_version.split()[0], fact.failed.code) for fact in facts
    ]
    assert [] == llm.requests


@pytest.mark.parametrize("status", [401, 403])
async def test_a_users_key_that_is_refused_ends_the_task(
    borrowing: Analysis, llm: LlmServer, auth_service: AuthSettings, status: int
) -> None:
    """At once, under its own code; the key is in neither the fact nor the error."""
    mine = await person(auth_service, "anthropic", "sk-ant-api03-of-somebody")
    llm.plan = [Fail(status, echo_key=True)] * 2
    fact = await borrowing.fact(mine, SUMMARY)
    with pytest.raises(InvalidArgument) as caught:
        await borrowing.analyze(mine, SUMMARY, PAGES)
    assert ["provider_rejected_user_key"] * 2 == [fact.failed.code, caught.value.code]
    assert (2, False) == (len(llm.requests), "of-somebody" in f"{fact}{caught.value}{caught.value.details}")


async def test_another_providers_model_needs_a_key_for_it(
    asking: Analysis, llm: LlmServer, auth_service: AuthSettings
) -> None:
    """The deployment's key is sent to nobody else."""
    options = Struct()
    options.update({"model": "anthropic/claude-sonnet-5"})
    mine = await person(auth_service, "openai", "sk-proj-of-somebody")
    fact = await asking.fact(mine, AnalysisConfig(analysis_type="summary", options=options))
    assert ("provider_key_missing", []) == (fact.failed.code, llm.requests)


async def test_a_key_that_was_altered_ends_the_task(
    borrowing: Analysis, llm: LlmServer, auth_service: AuthSettings
) -> None:
    """It is told to the user, who can store it again; nothing is asked with it."""
    mine = await person(auth_service, "anthropic", "sk-ant-api03-of-somebody")
    async with await psycopg.AsyncConnection.connect(dsn(auth_service), options="-c search_path=auth") as connection:
        statement = "UPDATE provider_keys SET sealed = sealed || '\\x00' WHERE user_id = %s"
        await connection.execute(statement, (mine.user_id,))
    fact = await borrowing.fact(mine, SUMMARY)
    assert ("provider_key_unreadable", []) == (fact.failed.code, llm.requests)
    await put_key(auth_service, mine, "anthropic", "sk-ant-api03-of-somebody")
    assert (await borrowing.fact(mine, SUMMARY)).HasField("analyzed")


async def test_a_call_that_nobody_waits_for_is_left(asking: Analysis, ada: Caller, llm: LlmServer) -> None:
    """The worker goes on though the provider has not answered, and reports nothing of it."""
    llm.plan = [Slow(8.0)]
    config = AnalysisConfig(analysis_type="key_value_extraction")

    async def asked() -> bool:
        return len(llm.requests) == 1

    task = await asking.stopped(ada, config, asked)
    assert (await asking.fact(ada, config)).HasField("analyzed")
    assert not asking.told(task)
