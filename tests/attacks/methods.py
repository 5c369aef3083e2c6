"""Every gRPC method with the fields of its request, as the protos' descriptors have them, and how it is called."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import pagemesh
from mesh import scopes

_SECONDS = 30.0


@dataclass(frozen=True)
class Method:
    """One method of one service."""

    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """`/package.Service/Method`."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def label(self) -> str:
        """What to call it in a test's name."""
        return f"{self.descriptor.containing_service.name}.{self.descriptor.name}"

    @property
    def service(self) -> str:
        """The process that serves it, by the name of its package."""
        return str(self.descriptor.containing_service.full_name.split(".")[1])

    @property
    def scope(self) -> str:
        """The scope that its proto names."""
        return scopes.of_method(self.name)

    def request(self) -> Message:
        """An empty request."""
        return GetMessageClass(self.descriptor.input_type)()

    def leaves(self) -> "list[Leaf]":
        """Every field of the request that holds a value, in messages inside messages too."""
        return list(_leaves(self.descriptor.input_type, ()))


@dataclass(frozen=True)
class Leaf:
    """A field, by its path from the request."""

    path: tuple[str, ...]
    field: FieldDescriptor

    @property
    def label(self) -> str:
        """The path in dots."""
        return ".".join(self.path)

    def put(self, request: Message, value: Any) -> None:
        """Sets the field, in the first message of a list of messages."""
        parent: Any = request
        for step in self.path[:-1]:
            parent = getattr(parent, step)
            if not isinstance(parent, Message):
                parent = parent[0] if parent else parent.add()
        name = self.path[-1]
        if self.field.message_type is not None:
            getattr(parent, name).CopyFrom(value)
        elif self.field.is_repeated:
            getattr(parent, name)[:] = [value]
        else:
            setattr(parent, name, value)


@dataclass(frozen=True)
class Answer:
    """What came back: messages, or why there are none."""

    code: str = "OK"
    reason: str = ""
    message: str = ""
    details: dict[str, str] = field(default_factory=dict)
    responses: tuple[Message, ...] = ()


def every_method() -> list[Method]:
    """All methods of all services, by name."""
    found = {}
    for module in pkgutil.walk_packages(pagemesh.__path__, "pagemesh."):
        if module.name.endswith("_pb2"):
            file: FileDescriptor = importlib.import_module(module.name).DESCRIPTOR
            for service in file.services_by_name.values():
                found.update({each.full_name: Method(each) for each in service.methods})
    return [found[name] for name in sorted(found)]


async def call(channel: grpc.aio.Channel, method: Method, requests: Sequence[Message], token: str = "") -> Answer:
    """Calls whatever shape the method has; of a stream, all of it."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    while True:
        try:
            responses = [each async for each in _responses(channel, method, requests, metadata)]
        except grpc.aio.AioRpcError as error:
            # The client's own library says so when a refusal comes while it is sending: no word of the server's.
            if error.details() != "Internal error from Core":
                return _refusal(error)
        else:
            return Answer(responses=tuple(responses))


async def _responses(
    channel: grpc.aio.Channel, method: Method, requests: Sequence[Message], metadata: Any
) -> AsyncIterator[Message]:
    kind = method.descriptor
    sent = iter(requests) if kind.client_streaming else requests[0]
    shape = f"{'stream' if kind.client_streaming else 'unary'}_{'stream' if kind.server_streaming else 'unary'}"
    answer = GetMessageClass(kind.output_type)
    stub = getattr(channel, shape)(
        method.name, request_serializer=lambda each: each.SerializeToString(), response_deserializer=answer.FromString
    )
    if kind.server_streaming:
        async for each in stub(sent, timeout=_SECONDS, metadata=metadata):
            yield each
    else:
        yield await stub(sent, timeout=_SECONDS, metadata=metadata)


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        packed.Unpack(info)
    return Answer(error.code().name, info.reason, error.details() or "", dict(info.metadata))


def _leaves(message: Descriptor, path: tuple[str, ...]) -> Iterator[Leaf]:
    for each in message.fields:
        inner, here = each.message_type, (*path, each.name)
        if inner is None or inner.full_name == "google.protobuf.Timestamp":
            yield Leaf(here, each)
        elif inner.file.package.startswith("pagemesh") and not inner.GetOptions().map_entry:
            yield from _leaves(inner, here)
