"""A chat server on loopback for tests: real HTTP, real JSON, answers drawn from the request.

It speaks OpenAI's form under `url` and Anthropic's under `anthropic_url`. It is no language model. It reads the pages
between the document markers of the request, quotes what it finds there ("Label: value" lines, first lines), and fills
the JSON schema that the request carries. What it should do wrong is put into `plan`, one step a request:
`Fail(429, retry_after=…)`, `Say("text")`, `Slow(seconds)`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_DOCUMENT = re.compile(r"<<<document \w+\n(.*)\ndocument \w+>>>", re.DOTALL)
_PAGE = re.compile(r"\[\[page (\d+) \w+\]\]\n")
_PAIR = re.compile(r"^([A-Za-z][A-Za-z ]{1,30}): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fail:
    """Answer with an error status; `echo_key` puts the caller's key into the message, as some providers do."""

    status: int
    retry_after: str | None = None
    echo_key: bool = False


@dataclass(frozen=True)
class Say:
    """Answer 200 with this content instead of JSON that fits."""

    text: str


@dataclass(frozen=True)
class Slow:
    """Wait before answering."""

    seconds: float


@dataclass
class LlmServer:
    """Started and stopped as a context manager; `url` is the api_base."""

    plan: list[Fail | Say | Slow] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    takes_schema: bool = True
    invent: bool = False

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.answer(self)

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
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def anthropic_url(self) -> str:
        return self.url.removesuffix("/v1")

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        """Take one request: the next step of the plan, or an honest answer."""
        sent = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        self.requests.append(sent)
        self.keys.append(http.headers.get("Authorization") or http.headers.get("x-api-key") or "")
        is_anthropic = http.path.endswith("/messages")
        body = _as_chat(sent) if is_anthropic else sent
        step = self.plan.pop(0) if self.plan else None
        if isinstance(step, Slow):
            time.sleep(step.seconds)
        if isinstance(step, Fail):
            said = f"no, {self.keys[-1]}" if step.echo_key else "no"
            _send(http, step.status, {"error": {"message": said, "type": "error", "code": None}}, step.retry_after)
        elif "response_format" in body and not self.takes_schema:
            _send(
                http, 400, {"error": {"message": "response_format is not supported", "type": "invalid_request_error"}}
            )
        else:
            text = step.text if isinstance(step, Say) else json.dumps(self._compose(body), ensure_ascii=False)
            _send(http, 200, (_message if is_anthropic else _completion)(body, text))

    def _compose(self, body: Mapping[str, Any]) -> dict[str, Any]:
        told = "\n".join(message["content"] for message in body["messages"])
        data = [match for message in body["messages"] for match in _DOCUMENT.findall(message["content"])][-1]
        if not _PAGE.search(data):
            return _merged([json.loads(line) for line in data.splitlines()], _schema(body))
        pieces = _PAGE.split(data)[1:]
        pages = {int(number): text for number, text in zip(pieces[::2], pieces[1::2], strict=True)}
        answer = _read(pages, told)
        if self.invent:
            answer["key_metrics"]["profit"] = "$9,999,999"
            answer["evidence"]["key_metrics.profit"] = [{"page": 1, "quote": "The profit came to $9,999,999 in all"}]
        return _shaped(answer, _schema(body))


def _as_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request in Anthropic's form in OpenAI's."""
    system = [{"role": "system", "content": body.get("system", "")}]
    messages = [{**each, "content": _text(each["content"])} for each in (*system, *body["messages"])]
    schema = body.get("output_format", {}).get("schema")
    wanted = {"response_format": {"json_schema": {"schema": schema}}} if schema else {}
    return {"model": body["model"], "messages": messages, **wanted}


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _read(pages: Mapping[int, str], told: str) -> dict[str, Any]:
    """Every labelled value and the first line of each page, quoted."""
    first = {number: next(line for line in text.splitlines() if line.strip()) for number, text in pages.items()}
    answer: dict[str, Any] = {
        "summary": " ".join(first.values()),
        "key_metrics": {},
        "fields": {},
        "insights": list(first.values())[:1],
        "tags": ["annual revenue", "confidential"],
        "tags_detail": [{"tag": "annual revenue", "score": 0.9}, {"tag": "confidential", "score": 0.4}],
        "label": "financial report",
        "labels": [{"label": "financial report", "score": 0.9}],
        "answer": "",
        "evidence": {"summary": [{"page": number, "quote": line} for number, line in first.items()]},
    }
    for number, text in pages.items():
        for match in _PAIR.finditer(text):
            name = match[1].lower().replace(" ", "_")
            answer["key_metrics"][name] = answer["fields"][name] = match[2]
            for room in ("key_metrics", "fields", "result"):
                path = name if room == "result" else f"{room}.{name}"
                answer["evidence"][path] = [{"page": number, "quote": match[0]}]
            if match[1].lower() in told.split("document", 1)[0].lower():
                answer["answer"] = match[2]
    return answer


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return wanted if isinstance(wanted, dict) else None


def _shaped(answer: dict[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keep what the schema names; `result` is filled from the fields."""
    if schema is None:
        return answer
    names = schema["properties"]
    if "result" in names:
        return {"result": _cast(answer["fields"], names["result"]), "evidence": answer["evidence"]}
    return {name: answer[name] for name in names if name in answer}


def _cast(fields: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    cast: dict[str, Any] = {}
    for name, shape in schema.get("properties", {}).items():
        if name in fields:
            number = re.sub(r"[^\d.]", "", fields[name])
            cast[name] = float(number) if shape.get("type") == "number" else fields[name]
    return cast


def _merged(findings: list[dict[str, Any]], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    merged: dict[str, Any] = {"tags": [], "insights": [], "fields": {}, "key_metrics": {}, "evidence": {}}
    for finding in findings:
        for name, value in finding.items():
            if isinstance(value, dict):
                merged.setdefault(name, {}).update(value)
            elif isinstance(value, list):
                merged[name] = list({json.dumps(item): item for item in [*merged.get(name, []), *value]}.values())
            else:
                merged[name] = f"{merged.get(name, '')} {value}".strip()
    return _shaped(merged, schema)


def _completion(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    sizes = len(json.dumps(body["messages"])) // 4, max(1, len(text) // 4)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": sizes[0], "completion_tokens": sizes[1], "total_tokens": sum(sizes)},
    }


def _message(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    usage = _completion(body, text)["usage"]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]},
    }


def _send(http: BaseHTTPRequestHandler, status: int, body: Mapping[str, Any], retry_after: str | None = None) -> None:
    payload = json.dumps(body).encode()
    try:
        http.send_response(status)
        http.send_header("Content-Type", "application/json")
        http.send_header("Content-Length", str(len(payload)))
        if retry_after is not None:
            http.send_header("Retry-After", retry_after)
        http.end_headers()
        http.wfile.write(payload)
    except (BrokenPipeError, ConnectionResetError):
        """The caller gave up waiting, which some tests mean it to."""
