"""Small HTTP servers on loopback, each in a thread of its own."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request; `form` is what its query or body holds."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(content: object, status: int = 200) -> Answer:
    """JSON."""
    return Answer(status, json.dumps(content).encode(), {"content-type": "application/json"})


class LoopbackServer:
    """Started and stopped as a context manager; `answer` says what to send back."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.rude: Answer | None = None
        """Sent to everybody, whatever they ask."""
        self.silent: threading.Event | None = None
        """Nothing is sent before it is set."""

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._serve(self)

            def do_POST(self) -> None:
                owner._serve(self)

            def log_message(self, *args: Any) -> None:
                """Tests print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, asked: Asked) -> Answer:
        """What to send back."""
        raise NotImplementedError

    def _serve(self, http: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(http.path)
        body = http.rfile.read(int(http.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in http.headers.items()}
        asked = Asked(http.command, parts.path, headers, dict(parse_qsl(body or parts.query)))
        self.asked.append(asked)
        if self.silent is not None:
            self.silent.wait(30)
        answer = self.rude or self.answer(asked)
        try:
            http.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                http.send_header(name, value)
            http.end_headers()
            http.wfile.write(answer.body)
        except (BrokenPipeError, ConnectionResetError):
            """The caller gave up, which some tests mean it to."""
