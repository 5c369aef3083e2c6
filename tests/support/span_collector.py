"""An OTLP/gRPC receiver on loopback that keeps what it is sent in a file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@contextmanager
def span_collector(path: Path) -> Iterator[str]:
    """Its endpoint, within the block."""
    lock = Lock()

    def export(request: bytes, context: grpc.ServicerContext) -> bytes:
        with lock, path.open("ab") as file:
            file.write(request + str(ExportTraceServiceRequest.FromString(request)).encode() + b"\n")
        return b""

    server = grpc.server(ThreadPoolExecutor(2))
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(1).wait()
