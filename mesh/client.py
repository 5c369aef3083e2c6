"""The one way a service calls another: a deadline on every call, retries by service config, errors of our family."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from mesh import context, errors, tls
from mesh.settings import MeshSettings

DEFAULT_SECONDS = 10.0

# Only UNAVAILABLE is retried, and only where a repeat changes nothing: a refresh token is spent by the first try, and
# a second registration would find the email taken. A sign-in provider that is away is asked again by people.
_NOT_REPEATABLE = [
    {"service": "pagemesh.auth.v1.AccountService", "method": "Refresh"},
    {"service": "pagemesh.auth.v1.AccountService", "method": "Register"},
    {"service": "pagemesh.auth.v1.AccountService", "method": "AcceptInvitation"},
    {"service": "pagemesh.auth.v1.SignInService"},
    {"service": "pagemesh.auth.v1.OAuthClientService", "method": "RotateClientSecret"},
    {"service": "pagemesh.auth.v1.AdminService", "method": "CreateOrganization"},
    {"service": "pagemesh.auth.v1.AdminService", "method": "CreateUser"},
]
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": _NOT_REPEATABLE},
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            },
        ],
    }
)
_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_send_message_length", 32 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
]

R = TypeVar("R")


def connect(target: str, settings: MeshSettings) -> grpc.aio.Channel:
    """A channel to a service; it reconnects by itself for as long as it is open."""
    return tls.open_channel(target, settings, _OPTIONS)


async def call(method: Callable[..., Awaitable[R]], request: Message, seconds: float = DEFAULT_SECONDS) -> R:
    """Calls as the current request's caller. Raises a PagemeshError."""
    try:
        return await method(request, timeout=seconds, metadata=context.outgoing_metadata())
    except errors.CALL_ERRORS as error:
        raise errors.from_rpc(error) from error


async def stream(
    method: Callable[..., AsyncIterable[R]], request: Message, seconds: float | None = None
) -> AsyncIterator[R]:
    """Responses of a streaming call made as the current request's caller. Raises a PagemeshError."""
    try:
        async for response in method(request, timeout=seconds, metadata=context.outgoing_metadata()):
            yield response
    except errors.CALL_ERRORS as error:
        raise errors.from_rpc(error) from error
