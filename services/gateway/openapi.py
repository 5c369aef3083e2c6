"""The OpenAPI 3.1 document, made from the endpoints' declarations."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from mesh.scopes import GRANTABLE
from services.gateway import openapi_headers
from services.gateway.endpoints import NAMES, Answer, AnyEndpoint, Call, get
from services.gateway.surfaces import version_of
from services.gateway.surfaces.platform import PREFIX
from services.gateway.surfaces.platform.shapes import Problem
from services.gateway.validation import LooseQuery, NoBody, NoQuery
from services.gateway.zero_log import HEADER, TTL_HEADER

DOCUMENTS = {"/openapi.json": ("All", ""), f"{PREFIX}/openapi.json": ("Platform", PREFIX)}
"""Where documents are, what each is called, and how the paths begin that it describes."""
_REFERENCE = "#/components/schemas/{model}"
_NAME, _UUID = {"type": "string"}, {"type": "string", "format": "uuid"}
_JSON = "application/json"
_KEY = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"  # HTTP takes blanks around a value away
_ZERO_LOG: dict[str, dict[str, int | str]] = {
    HEADER: {"pattern": r"^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])?$"},
    TTL_HEADER: {"pattern": r"^0*([6-9][0-9]|[1-9][0-9]{2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$", "maxLength": 6},
}
_NO_QUERY = (NoQuery, LooseQuery)
_PARAMETER = re.compile(r"{(\w+)}")
_MAY_EXPIRE = {"document_id", "job_id", "run_id", "task_id"}


def with_documents(endpoints: Sequence[AnyEndpoint]) -> list[AnyEndpoint]:
    """The endpoints, and those that serve their OpenAPI documents."""
    answers = {200: Answer("The document.", media_types=("application/json",))}
    documents: dict[str, bytes] = {}

    async def serve(call: Call[NoBody, NoQuery]) -> Response:
        return Response(documents[call.request.url.path], media_type="application/json")

    served = [
        get(path, serve, "This document", answers, public=True, counted=False, standalone=True) for path in DOCUMENTS
    ]
    everything = [*endpoints, *served]
    listed = [one for one in everything if one.listed]
    for path, (name, prefix) in DOCUMENTS.items():
        described = document([one for one in listed if one.path.startswith(prefix)], name, version_of(prefix or "/"))
        documents[path] = orjson.dumps(described)
    return everything


def document(endpoints: Sequence[AnyEndpoint], name: str, version: str) -> dict[str, Any]:
    """The OpenAPI document of some endpoints, which it calls by a name."""
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Pagemesh ({name})",
            "version": version,
            "summary": "Turns documents into text, tables and answers with evidence.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "headers": openapi_headers.components(),
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
            types |= {kind: TypeAdapter(kind) for kind in (*read, *told) if kind not in (None, NoBody, *_NO_QUERY)}
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
    if endpoint.form is not None and endpoint.body is not NoBody:
        either = replace(endpoint, form=None), replace(endpoint, body=NoBody)
        return {kind: schema for one in either for kind, schema in _request_content(one, schemas).items()}
    if endpoint.form is not None:
        form = _without_null(schemas.inline(endpoint.form))
        file = {"type": "string", "format": "binary", "description": "PDF, PNG, JPEG or TIFF."}
        schema = {**form, "properties": {"file": file, **form["properties"]}, "required": ["file"]}
        return {"multipart/form-data": {"schema": schema}}
    if endpoint.urlencoded is not None:
        return {"application/x-www-form-urlencoded": {"schema": _without_null(schemas.inline(endpoint.urlencoded))}}
    if endpoint.body is not NoBody:
        return {"application/json": {"schema": schemas.of(endpoint.body)}}
    return {}


def _parameters(endpoint: AnyEndpoint, schemas: _Schemas) -> list[dict[str, Any]]:
    named = _PARAMETER.findall(endpoint.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NAME if name in NAMES else _UUID} for name in named
    ]
    if endpoint.query not in _NO_QUERY:
        query = _without_null(schemas.inline(endpoint.query))
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in query["properties"].items()]
    key = [_header_parameter("Idempotency-Key", minLength=1, maxLength=255, pattern=_KEY)] if endpoint.keyed else []
    private = [_header_parameter(name, **limits) for name, limits in _ZERO_LOG.items() if endpoint.zero_log]
    return [*parameters, *map(_header_parameter, endpoint.request_headers), *key, *private]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a query or form, whose values come as text: what may be left out can never be null."""
    properties = {name: _of_text(property_) for name, property_ in schema["properties"].items()}
    return {**schema, "properties": properties}


def _of_text(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept


def _header_parameter(name: str, **limits: int | str) -> dict[str, Any]:
    text = openapi_headers.description(name)
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string", **limits}}


def _responses(endpoint: AnyEndpoint, schemas: _Schemas) -> dict[str, Any]:
    counted = openapi_headers.COUNTED if endpoint.counted else ()
    replayed = ("Idempotency-Replayed",) if endpoint.keyed else ()
    private = (HEADER,) if endpoint.zero_log else ()
    responses = {
        str(status): _response(status, answer, schemas, (*replayed, *private, *counted))
        for status, answer in endpoint.answers.items()
    }
    problem = {_JSON: {"schema": schemas.of(Problem)}}
    for status in sorted(_problems(endpoint)):
        told = {"description": HTTPStatus(status).phrase, "headers": openapi_headers.referred(status)}
        responses.setdefault(str(status), {**told, "content": problem})
    return responses


def _response(status: int, answer: Answer, schemas: _Schemas, more_headers: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {"schema": _schema_of(media_type)} for media_type in answer.media_types}
    if answer.json is not None:
        content[_JSON] = {"schema": schemas.of(answer.json)}
    response: dict[str, Any] = {
        "description": answer.description,
        "headers": openapi_headers.referred(status, *answer.headers, *more_headers),
    }
    return {**response, "content": content} if content else response


def _schema_of(media_type: str) -> dict[str, str]:
    return {"type": "object" if media_type.endswith("json") else "string"}


def _problems(endpoint: AnyEndpoint) -> set[int]:
    statuses = {*endpoint.problems, 500}
    if not endpoint.standalone:
        statuses.add(503)
    if not endpoint.public:
        statuses |= {401, 403}
    if endpoint.counted:
        statuses.add(429)
    named = set(_PARAMETER.findall(endpoint.path))
    if named - NAMES:
        statuses.add(404)
    if named & _MAY_EXPIRE:
        statuses.add(410)
    if not issubclass(endpoint.query, LooseQuery):
        statuses.add(422)
    if endpoint.keyed:
        statuses |= {400, 409, 422}
    if endpoint.body is not NoBody:
        statuses |= {400, 413, 415, 422}
    return statuses
