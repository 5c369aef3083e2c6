"""One family of errors that crosses gRPC intact.

PagemeshError
├── InvalidArgument       INVALID_ARGUMENT
├── NotFound              NOT_FOUND
├── AlreadyExists         ALREADY_EXISTS
├── IllegalState          FAILED_PRECONDITION
├── Unauthenticated       UNAUTHENTICATED
├── Forbidden             PERMISSION_DENIED
├── TooMuch               RESOURCE_EXHAUSTED
├── Unavailable           UNAVAILABLE
├── DeadlineExceeded      DEADLINE_EXCEEDED
└── Internal              INTERNAL

On the wire an error is a `google.rpc.Status` with an `ErrorInfo{reason, domain, metadata}`; reasons are those of
`pagemesh.errors.v1.ErrorReason`. A reason in lower case is the public `error` code.
"""

from typing import ClassVar

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "pagemesh"
# Errors may repeat what a caller sent. They go as metadata, of which a receiver takes 8 KiB and nothing beyond.
_MESSAGE_BYTES = 1_000
_DETAIL_BYTES = 200


class PagemeshError(Exception):
    """An error with a code that callers may act on."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, reason: str = "", **details: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = (reason or self.default_reason).upper()
        self.details = details

    @property
    def code(self) -> str:
        """The reason as the public API spells it."""
        return self.reason.lower()


class InvalidArgument(PagemeshError):
    """A field is malformed or out of range."""

    status = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = "INVALID_ARGUMENT"


class NotFound(PagemeshError):
    """There is no such thing for this caller."""

    status = grpc.StatusCode.NOT_FOUND
    default_reason = "NOT_FOUND"


class AlreadyExists(PagemeshError):
    """Somebody has it already."""

    status = grpc.StatusCode.ALREADY_EXISTS
    default_reason = "ILLEGAL_STATE"


class IllegalState(PagemeshError):
    """The thing's state forbids it."""

    status = grpc.StatusCode.FAILED_PRECONDITION
    default_reason = "ILLEGAL_STATE"


class Unauthenticated(PagemeshError):
    """No good credential."""

    status = grpc.StatusCode.UNAUTHENTICATED
    default_reason = "UNAUTHENTICATED"


class Forbidden(PagemeshError):
    """A good credential without the right."""

    status = grpc.StatusCode.PERMISSION_DENIED
    default_reason = "FORBIDDEN"


class TooMuch(PagemeshError):
    """Over a limit."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED
    default_reason = "OUT_OF_RESOURCES"


class Unavailable(PagemeshError):
    """Something that is needed is away; trying later may help."""

    status = grpc.StatusCode.UNAVAILABLE
    default_reason = "UNAVAILABLE"


class DeadlineExceeded(PagemeshError):
    """The caller's time ran out."""

    status = grpc.StatusCode.DEADLINE_EXCEEDED
    default_reason = "DEADLINE_EXCEEDED"


class Internal(PagemeshError):
    """A defect; tells nothing of the inside."""


_BY_STATUS: dict[grpc.StatusCode, type[PagemeshError]] = {
    kind.status: kind
    for kind in (
        InvalidArgument,
        NotFound,
        AlreadyExists,
        IllegalState,
        Unauthenticated,
        Forbidden,
        TooMuch,
        Unavailable,
        DeadlineExceeded,
        Internal,
    )
}


def to_status(error: PagemeshError) -> grpc.Status:
    """The error as gRPC sends it."""
    message = _cut(error.message, _MESSAGE_BYTES)
    details = {name: _cut(value, _DETAIL_BYTES) for name, value in error.details.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=details)
    packed = any_pb2.Any()
    packed.Pack(info)
    told = status_pb2.Status(code=error.status.value[0], message=message, details=[packed])
    status: grpc.Status = rpc_status.to_status(told)
    return status


def _cut(text: str, size: int) -> str:
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


CALL_ERRORS = (grpc.RpcError, grpc.aio.BaseError)
"""What a call may raise: a status, or word of a connection that broke while something was being sent."""

# Our servers say why in every status that they choose. These, bare, come from a connection that broke.
_BROKEN = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DATA_LOSS,
    }
)


def from_rpc(error: Exception) -> PagemeshError:
    """The error that the other side raised, of a call that raised one of CALL_ERRORS.

    Statuses that the other side did not choose itself keep no text of theirs.
    """
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return Unavailable(_PLAIN[Unavailable])
    info = _error_info(error)
    if info is None:
        kind = Unavailable if error.code() in _BROKEN else _BY_STATUS.get(error.code(), Internal)
        return kind(_PLAIN.get(kind, "Something went wrong on our side."))
    return _BY_STATUS.get(error.code(), Internal)(error.details() or "", info.reason, **dict(info.metadata))


def _error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, AttributeError):  # the details contradict the status, or it was no call: not one of ours
        return None
    for packed in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if packed.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


_PLAIN: dict[type[PagemeshError], str] = {
    Unavailable: "A service that this needs is away. Try again shortly.",
    DeadlineExceeded: "This took too long. Try again shortly.",
    NotFound: "There is no such thing.",
    Unauthenticated: "The credential is missing, malformed, expired or revoked.",
    Forbidden: "The credential does not allow this.",
    InvalidArgument: "The request is malformed.",
}
