"""The OpenAPI 3.1 document, made from the endpoints' declarations."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from mesh.scopes import GRANTABLE
from services.gateway.endpoints import NAMES, Answer, AnyEndpoint, Call, get
from services.gateway.surfaces.platform import API_VERSION, PREFIX
from services.gateway.surfaces.platform.shapes import Problem
from services.gateway.validation import NoBody, NoQuery
from services.gateway.zero_log import HEADER, TTL_HEADER

DOCUMENTS = {"/openapi.json": ("All", ""), f"{PREFIX}/openapi.json": ("Platform", PREFIX)}
"""Where documents are, what each is called, and how the paths begin that it describes."""
_REFERENCE = "#/components/schemas/{model}"
_NAME, _UUID = {"type": "string"}, {"type": "string", "format": "uuid"}
_PARAMETER = re.compile(r"{(\w+)}")
_HEADERS = {
    "Content-Range": "Which bytes these are, of how many.",
    "ETag": "Strong entity tag.",
    "Idempotency-Key": "1 to 255 printable ASCII characters. For 24 hours the same request with the same key is not "
    "carried out again but answered as it was the first time, with `Idempotency-Replayed: true`.",
    "Idempotency-Replayed": "`true` when this is the first answer again.",
    "If-None-Match": "Answers 304 while the entity tag is still the same.",
    "If-Range": "Answers the range only if the entity tag is still the same.",
    "Last-Event-ID": "The last event that was seen.",
    "Link": "First, previous, next and last page (RFC 8288).",
    "Location": "Where the status is.",
    "Prefer": "`wait=N` (RFC 7240): holds the answer until the state changes or N seconds, at most 60, have passed.",
    "Preference-Applied": "The preference that was honoured.",
    "Range": "One range of bytes.",
    "Retry-After": "Seconds until it is worth asking again.",
    "X-Zero-Log": "`true`: what is sent, what is made of it and the result are kept in memory alone, and forgotten in "
    "time. Answers say it, with `Cache-Control: no-store`.",
    "X-Zero-Log-TTL": "With `X-Zero-Log: true`, for how many seconds: 60 to 3600, 900 unless said.",
}


def with_documents(endpoints: Sequence[AnyEndpoint]) -> list[AnyEndpoint]:
    """The endpoints, and those that serve their OpenAPI documents."""
    answers = {200: Answer("The document.", media_types=("application/json",))}
    documents: dict[str, bytes] = {}

    async def serve(call: Call[NoBody, NoQuery]) -> Response:
        return Response(documents[call.request.url.path], media_type="application/json")

    served = [get(path, serve, "This document", answers, public=True, counted=False) for path in DOCUMENTS]
    everything = [*endpoints, *served]
    listed = [one for one in everything if one.listed]
    for path, (_, prefix) in DOCUMENTS.items():
        documents[path] = orjson.dumps(document([one for one in listed if one.path.startswith(prefix)]))
    return everything


def document(endpoints: Sequence[AnyEndpoint]) -> dict[str, Any]:
    """The OpenAPI document of some endpoints."""
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pagemesh",
            "version": API_VERSION,
            "summary": "Turns documents into text, tables and answers with evidence.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


class _Schemas:
    """JSON Schemas of every type that the endpoints name."""

    def __init__(self, endpoints: Iterable[AnyEndpoint]) -> None:
        types: dict[Any, TypeAdapter[Any]] = {Problem: TypeAdapter(Problem)}
        for endpoint in endpoints:
            read = (endpoint.body, endpoint.query, endpoint.form, endpoint.urlencoded)
            told = (answer.json for answer in endpoint.answers.values())
            types |= {kind: TypeAdapter(kind) for kind in (*read, *told) if kind not in (None, NoBody, NoQuery)}
        inputs = [(kind, "validation", adapter) for kind, adapter in types.items()]
        references, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)  # type: ignore[arg-type]
        self._references = {kind: schema for (kind, _), schema in references.items()}
        self.definitions: dict[str, Any] = definitions.get("$defs", {})

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type, as a reference."""
        return dict(self._references[kind])

    def inline(self, kind: type[BaseModel]) -> dict[str, Any]:
        """The schema of a model itself."""
        schema: dict[str, Any] = self.definitions[self.of(kind)["$ref"].rpartition("/")[2]]
        return schema


def _operation(endpoint: AnyEndpoint, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{type(endpoint.handler.__self__).__name__}.{endpoint.handler.__name__}".lower()
        if hasattr(endpoint.handler, "__self__")
        else endpoint.path.strip("/").replace("/", "."),
        "tags": [_tag(endpoint)],
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
        "security": _security(endpoint),
    }
    if content := _request_content(endpoint, schemas):
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _tag(endpoint: AnyEndpoint) -> str:
    """What the endpoint is about: the first word of its path below the surface's prefix."""
    if endpoint.public and not endpoint.counted:
        return "about"
    return endpoint.path.removeprefix(PREFIX).strip("/").partition("/")[0]


def _security(endpoint: AnyEndpoint) -> list[dict[str, list[str]]]:
    """What opens an endpoint. Names are scopes; without any, it is closed to credentials that have a list of them.

    Source: OpenAPI 3.1, "Security Requirement Object".
    """
    if endpoint.public:
        return []
    needed = [endpoint.scope] if endpoint.scope in GRANTABLE else []
    return [{"bearer": needed}, {"api_key": needed}]


def _request_content(endpoint: AnyEndpoint, schemas: _Schemas) -> dict[str, Any]:
    if endpoint.form is not None:
        form = schemas.inline(endpoint.form)
        file = {"type": "string", "format": "binary", "description": "PDF, PNG, JPEG or TIFF."}
        schema = {**form, "properties": {"file": file, **form["properties"]}, "required": ["file"]}
        return {"multipart/form-data": {"schema": schema}}
    if endpoint.urlencoded is not None:
        return {"application/x-www-form-urlencoded": {"schema": schemas.inline(endpoint.urlencoded)}}
    if endpoint.body is not NoBody:
        return {"application/json": {"schema": schemas.of(endpoint.body)}}
    return {}


def _parameters(endpoint: AnyEndpoint, schemas: _Schemas) -> list[dict[str, Any]]:
    named = _PARAMETER.findall(endpoint.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NAME if name in NAMES else _UUID} for name in named
    ]
    if endpoint.query is not NoQuery:
        query = schemas.inline(endpoint.query)
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in query["properties"].items()]
    key = [_header_parameter("Idempotency-Key", minLength=1, maxLength=255)] if endpoint.keyed else []
    private = map(_header_parameter, (HEADER, TTL_HEADER) if endpoint.zero_log else ())
    return [*parameters, *map(_header_parameter, endpoint.request_headers), *key, *private]


def _header_parameter(name: str, **limits: int) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string", **limits}}


def _responses(endpoint: AnyEndpoint, schemas: _Schemas) -> dict[str, Any]:
    more = (*(("Idempotency-Replayed",) if endpoint.keyed else ()), *((HEADER,) if endpoint.zero_log else ()))
    responses = {str(status): _response(answer, schemas, more) for status, answer in endpoint.answers.items()}
    problem = {"application/json": {"schema": schemas.of(Problem)}}
    for status in sorted(_problems(endpoint)):
        responses.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": problem})
    return responses


def _response(answer: Answer, schemas: _Schemas, more_headers: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {"schema": {"type": "string"}} for media_type in answer.media_types}
    if answer.json is not None:
        content["application/json"] = {"schema": schemas.of(answer.json)}
    response: dict[str, Any] = {"description": answer.description}
    if content:
        response["content"] = content
    if headers := (*answer.headers, *more_headers):
        response["headers"] = {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in headers}
    return response


def _problems(endpoint: AnyEndpoint) -> set[int]:
    statuses = {*endpoint.problems, 500, 503}
    if not endpoint.public:
        statuses |= {401, 403}
    if endpoint.counted:
        statuses.add(429)
    if _PARAMETER.search(endpoint.path):
        statuses.add(404)
    if {"document_id", "job_id", "task_id"} & set(_PARAMETER.findall(endpoint.path)):
        statuses.add(410)
    if endpoint.query is not NoQuery:
        statuses.add(422)
    if endpoint.keyed:
        statuses |= {400, 409, 422}
    if endpoint.body is not NoBody:
        statuses |= {400, 413, 415, 422}
    return statuses
