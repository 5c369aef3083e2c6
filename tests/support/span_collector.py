"""An OTLP/gRPC receiver on loopback that keeps what it is sent in a file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock, self._path.open("ab") as file:
            file.write(str(request).encode() + b"\n")
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def span_collector(path: Path) -> Iterator[str]:
    """Its endpoint, within the block."""
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Collector(path), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(1).wait()
