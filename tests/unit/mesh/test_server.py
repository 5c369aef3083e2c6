"""What every gRPC server of the mesh does, whatever its service."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh import context, identity, server
from mesh.errors import DeadlineExceeded, Unauthenticated, Unavailable
from mesh.settings import MeshSettings
from pagemesh.ingest.v1.ingest_pb2 import UploadRequest
from pagemesh.ocr.v1.ocr_pb2 import ListEnginesRequest
from tests.support.broker import eventually
from tests.support.mesh_server import NAMES, Peer, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def nothing() -> None:
    """Does nothing."""


@pytest.fixture(autouse=True)
def _without_a_credential() -> None:
    """Each test begins with none."""
    context.bearer_token.set("")
    context.request_id.set("")
    context.traceparent.set("")


def states(peer: Peer) -> Callable[[], Awaitable[set[int]]]:
    """Asks for the health of the whole and of each service."""
    stub = health_pb2_grpc.HealthStub(peer.channel)

    async def ask() -> set[int]:
        return {(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", "test", *NAMES)}

    return ask


async def test_a_server_without_dependencies_is_ready(settings: MeshSettings) -> None:
    """Health takes no credential."""
    async with serving(settings, nothing) as peer:
        assert {SERVING} == await states(peer)()


async def test_readiness_follows_the_dependencies(settings: MeshSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that raises, in whatever way, or hangs makes the server unready until it answers again."""
    monkeypatch.setattr(server, "_READINESS_SECONDS", 0.02)
    away: list[Exception] = []

    async def check() -> None:
        if away:
            raise away[0]

    async with serving(settings, nothing, {"well": nothing, "tested": check}) as peer:
        ask = states(peer)
        for error in (Unavailable("away"), OSError("away"), ValueError("a defect")):
            await eventually(lambda: _is(ask, {SERVING}))
            away.append(error)
            await eventually(lambda: _is(ask, {NOT_SERVING}))
            away.clear()
        await eventually(lambda: _is(ask, {SERVING}))


async def _is(ask: Callable[[], Awaitable[set[int]]], expected: set[int]) -> bool:
    return await ask() == expected


async def test_reflection_lists_the_services(settings: MeshSettings) -> None:
    """Tools find the API without its files and without a credential."""
    async with serving(settings, nothing) as peer:
        stub = reflection_pb2_grpc.ServerReflectionStub(peer.channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {service.name async for each in call for service in each.list_services_response.service}
    assert {*NAMES, "grpc.health.v1.Health"} <= names


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer forged", "Token forged"]
)
async def test_without_a_good_token_nothing_is_done(settings: MeshSettings, header: str | None) -> None:
    """Whatever the method's shape; the behaviour behind is not reached."""
    reached: list[bool] = []

    async def behave() -> None:
        reached.append(True)

    async with serving(settings, behave) as peer:
        metadata = () if header is None else (("authorization", header),)
        sending = peer.sent(metadata=metadata)
        with pytest.raises(grpc.RpcError) as once:
            await peer.once(ListEnginesRequest(), metadata=metadata)
        with pytest.raises(grpc.RpcError) as sent:
            await sending
        assert {grpc.StatusCode.UNAUTHENTICATED} == {each.value.code() for each in (once, sent)}
        with pytest.raises(Unauthenticated):
            await peer.follow()
    assert [] == reached


async def test_a_public_method_takes_no_credential_and_has_no_caller(settings: MeshSettings) -> None:
    """A forged one is not even looked at."""
    callers: list[str] = []

    async def behave() -> None:
        with pytest.raises(Unauthenticated):
            identity.current()
        callers.append(context.bearer_token.get())

    public = frozenset({"/pagemesh.ocr.v1.OcrService/ListEngines"})
    async with serving(settings, behave, public_methods=public) as peer:
        await peer.ask()
        context.bearer_token.set("forged")
        await peer.ask()
        with pytest.raises(Unauthenticated):
            await peer.follow()
    assert ["", ""] == callers


@dataclass
class Seen:
    """What a method finds in its context."""

    requests: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def look(self) -> None:
        caller = identity.current()
        values = (context.request_id.get(), context.traceparent.get(), context.bearer_token.get())
        self.requests.append((caller.organization_id, *values))


async def test_a_method_knows_its_request_and_caller(settings: MeshSettings) -> None:
    """Organization, request id and trace are the caller's, in every shape; the token can be carried on."""
    seen = Seen()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serving(settings, seen.look) as peer:
        token = peer.signer.token(org="the-organization")
        context.bearer_token.set(token)
        context.request_id.set("the-request")
        context.traceparent.set(trace)
        await peer.ask()
        assert ["analyzing", "done"] == await peer.follow()
        call = peer.sent(metadata=context.outgoing_metadata())
        await call.write(UploadRequest(chunk=b"x"))
        await call.done_writing()
        await call
    assert [("the-organization", "the-request", trace, token)] * 3 == seen.requests


async def test_unusable_request_ids_and_traces_are_replaced(settings: MeshSettings) -> None:
    """A method always has good ones."""
    seen = Seen()
    async with serving(settings, seen.look) as peer:
        metadata = (("authorization", f"bearer {peer.signer.token()}"), ("x-request-id", "a b"), ("traceparent", "no"))
        await peer.once(ListEnginesRequest(), metadata=metadata)
    [(_, request_id, trace, _)] = seen.requests
    assert (request_id, trace) == (context.accept_request_id(request_id), context.accept_traceparent(trace))


async def test_callers_at_once_are_kept_apart(settings: MeshSettings) -> None:
    """Each call acts inside its own token's organization."""
    together = asyncio.Barrier(10)
    organizations: list[tuple[str, str]] = []

    async def behave() -> None:
        before = identity.current().organization_id
        await together.wait()
        organizations.append((before, identity.current().organization_id))

    async with serving(settings, behave) as peer:
        tokens = [peer.signer.token(org=str(number)) for number in range(10)]
        calls = [peer.once(ListEnginesRequest(), metadata=(("authorization", f"Bearer {each}"),)) for each in tokens]
        await asyncio.gather(*calls)
    assert [(str(number), str(number)) for number in range(10)] == sorted(organizations)


async def test_a_call_without_a_deadline_gets_one(settings: MeshSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that hangs ends as DEADLINE_EXCEEDED, and is cancelled."""
    monkeypatch.setattr(server, "_DEFAULT_SECONDS", 0.05)
    ended = asyncio.Event()
    async with serving(settings, lambda: _hang(ended)) as peer:
        metadata = (("authorization", f"Bearer {peer.signer.token()}"),)
        with pytest.raises(grpc.RpcError) as caught:
            await peer.once(ListEnginesRequest(), metadata=metadata)
        assert grpc.StatusCode.DEADLINE_EXCEEDED is caught.value.code()
        await asyncio.wait_for(ended.wait(), 5)


async def _hang(ended: asyncio.Event) -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        ended.set()


async def test_a_callers_deadline_ends_the_work(settings: MeshSettings) -> None:
    """The caller learns of it as an error of ours, and the method is cancelled."""
    ended = asyncio.Event()
    async with serving(settings, lambda: _hang(ended)) as peer:
        context.bearer_token.set(peer.signer.token())
        with pytest.raises(DeadlineExceeded):
            await peer.ask(seconds=0.2)
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_reader_that_goes_ends_the_stream(settings: MeshSettings) -> None:
    """Nothing goes on for nobody."""
    ended = asyncio.Event()
    async with serving(settings, lambda: _hang(ended)) as peer:
        context.bearer_token.set(peer.signer.token())
        following = asyncio.create_task(peer.follow())
        await asyncio.sleep(0.2)
        following.cancel()
        await asyncio.wait_for(ended.wait(), 5)


async def test_stopping_lets_calls_in_hand_finish(settings: MeshSettings) -> None:
    """No new ones are taken meanwhile."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def behave() -> None:
        begun.set()
        await may_end.wait()

    patient = settings.model_copy(update={"drain_seconds": 20.0})
    async with serving(patient, behave) as peer:
        context.bearer_token.set(peer.signer.token())
        call = asyncio.create_task(peer.ask())
        await begun.wait()
        peer.channel.close = nothing  # type: ignore[method-assign, assignment]  # the call must outlive the block
        asyncio.get_running_loop().call_later(0.3, may_end.set)
    await call


async def test_a_call_that_outlasts_the_drain_is_ended(settings: MeshSettings) -> None:
    """Its caller may try again elsewhere."""
    ended = asyncio.Event()
    async with serving(settings.model_copy(update={"drain_seconds": 0.1}), lambda: _hang(ended)) as peer:
        call = peer.once(ListEnginesRequest(), metadata=(("authorization", f"Bearer {peer.signer.token()}"),))
        await asyncio.sleep(0.2)
        peer.channel.close = nothing  # type: ignore[method-assign, assignment]  # the server ends it, not we
    with pytest.raises(grpc.RpcError) as caught:
        await call
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    await asyncio.wait_for(ended.wait(), 5)


async def test_an_address_that_is_taken_is_an_error(settings: MeshSettings) -> None:
    """Two replicas never share a port silently."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises((OSError, RuntimeError)):
            async with serving(settings.model_copy(update={"listen": listen}), nothing):
                """Never reached."""
