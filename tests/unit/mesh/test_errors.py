"""Errors cross a real gRPC call intact, and nothing of the inside goes with them."""

import logging
from typing import Any

import grpc
import nats.errors
import nats.js.errors
import psycopg
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mesh import bus, context, db, errors
from mesh.errors import Internal, PagemeshError, Unavailable
from mesh.settings import MeshSettings
from pagemesh.errors.v1.reason_pb2 import ErrorReason
from tests.support.mesh_server import Peer, serving

KINDS = sorted(PagemeshError.__subclasses__(), key=lambda kind: kind.__name__)


async def raised(settings: MeshSettings, error: Exception, streaming: bool) -> PagemeshError:
    """What a caller of a method that raises the error sees."""

    async def behave() -> None:
        raise error

    async with serving(settings, behave) as peer:
        context.bearer_token.set(peer.signer.token())
        with pytest.raises(PagemeshError) as caught:
            await _call(peer, streaming)
    return caught.value


async def _call(peer: Peer, streaming: bool) -> Any:
    return await (peer.follow() if streaming else peer.ask())


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("kind", KINDS)
async def test_every_error_arrives_as_it_was_raised(
    settings: MeshSettings, kind: type[PagemeshError], streaming: bool
) -> None:
    """Class, reason, details and message are those of the other side, whatever characters they have."""
    error = kind("Größe “x” is wrong.\nReally.", "file_too_large", limit_bytes="5", name="é")
    arrived = await raised(settings, error, streaming)
    assert (kind, "FILE_TOO_LARGE", error.message, error.details) == (
        type(arrived),
        arrived.reason,
        arrived.message,
        arrived.details,
    )


@pytest.mark.parametrize("character", ["x", "é", "😀", "%", "\n"])
async def test_an_error_that_repeats_too_much_arrives_shortened(settings: MeshSettings, character: str) -> None:
    """Its class, reason and the beginning are there: nothing outgrows what a receiver takes."""
    error = errors.InvalidArgument(
        character * 20_000, "LANGUAGE_MISSING", field="languages", language=character * 20_000
    )
    arrived = await raised(settings, error, streaming=False)
    assert (errors.InvalidArgument, "LANGUAGE_MISSING", "languages") == (
        type(arrived),
        arrived.reason,
        arrived.details["field"],
    )
    assert {character} == set(arrived.message) == set(arrived.details["language"])
    assert 200 <= len(arrived.message) <= 1_000


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
async def test_a_defect_tells_nothing_of_the_inside(
    settings: MeshSettings, streaming: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller learns that something went wrong; the log alone learns what."""
    with caplog.at_level(logging.ERROR):
        arrived = await raised(settings, ValueError("password hunter2"), streaming)
    assert (Internal, "INTERNAL", "Something went wrong on our side.", {}) == (
        type(arrived),
        arrived.reason,
        arrived.message,
        arrived.details,
    )
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_has_one_error(kind: type[PagemeshError]) -> None:
    """No two classes share a status, and each has a reason that the proto knows."""
    assert [kind] == [other for other in KINDS if other.status is kind.status]
    assert f"ERROR_REASON_{kind.default_reason}" in ErrorReason.keys()  # noqa: SIM118  # an enum wrapper, no mapping


BROKEN = {"INTERNAL", "UNKNOWN", "CANCELLED", "ABORTED", "DATA_LOSS"}
"""What gRPC itself says of a connection that broke; our servers say why they fail."""


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_of_grpc_becomes_an_error_of_ours(code: grpc.StatusCode) -> None:
    """Text that the other side did not choose is not handed on; a call that broke off may be tried again."""
    error = errors.from_rpc(
        grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "Traceback: /srv/inside.py")
    )
    known = {kind.status: kind for kind in KINDS}
    assert (Unavailable if code.name in BROKEN else known.get(code, Internal)) is type(error)
    assert "inside" not in error.message


@pytest.mark.parametrize(
    "error", [grpc.RpcError("inside"), *(kind("inside") for kind in grpc.aio.BaseError.__subclasses__())], ids=repr
)
def test_an_error_without_a_status_may_be_tried_again(error: Exception) -> None:
    """A connection that broke while something was being sent: it is expected, and says nothing of the inside."""
    assert isinstance(error, errors.CALL_ERRORS)
    told = errors.from_rpc(error)
    assert (Unavailable, False) == (type(told), "inside" in told.message)


def _subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind}.union(*(_subclasses(sub) for sub in kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(_subclasses(nats.errors.Error) | _subclasses(nats.js.errors.Error), key=repr))
def test_every_error_of_the_broker_is_expected(kind: type[BaseException]) -> None:
    """`mesh.bus` and `mesh.pull` treat each as a broker that is away."""
    assert issubclass(kind, bus._BROKER_ERRORS)


@pytest.mark.parametrize(
    "kind",
    [
        psycopg.OperationalError,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.TooManyConnections,
        psycopg.errors.DeadlockDetected,
        sqlalchemy.exc.OperationalError,
        sqlalchemy.exc.InterfaceError,
        sqlalchemy.exc.TimeoutError,
        ConnectionRefusedError,
        TimeoutError,
    ],
)
def test_every_error_of_a_database_that_is_away_is_expected(kind: type[BaseException]) -> None:
    """Trying later may help with each of these."""
    assert issubclass(kind, db.AWAY)


@settings_of_hypothesis(max_examples=30, deadline=None)
@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_can_be_sent(message: str, details: dict[str, str]) -> None:
    """No message and no detail keeps an error from being told."""
    error = PagemeshError(message)
    error.details = details
    assert (grpc.StatusCode.INTERNAL, message) == (errors.to_status(error).code, errors.to_status(error).details)
