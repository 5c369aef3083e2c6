"""Every REST operation with its parameters, as the running gateway's OpenAPI document has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.attacks.registry import Kind, Meaning, is_id_like, meaning

Json = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch")
_PARAMETER = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Field:
    """Something of a request: of its path, query or body."""

    place: str
    """`path`, `query`, or the body's media type."""
    name: str
    what: Meaning | None
    """None: the registry does not know it."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    described: Json
    schemas: Json

    @property
    def name(self) -> str:
        """`GET /path`."""
        return f"{self.method} {self.path}"

    @property
    def public(self) -> bool:
        """Whether it needs no credential."""
        return not self.described["security"]

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that it needs; none: it takes no credential that has a list of them."""
        return tuple(next(iter(self.described["security"][0].values()))) if not self.public else ()

    @property
    def parameters(self) -> list[str]:
        """Parameters of the path."""
        return _PARAMETER.findall(self.path)

    @property
    def body(self) -> tuple[str, Json] | None:
        """Media type and schema of the body."""
        content: Json = self.described.get("requestBody", {}).get("content", {})
        return next(((kind, self._whole(each["schema"])) for kind, each in content.items()), None)

    def ids(self) -> list[Field]:
        """Every field that may be an id of something: all of the path, and by their names those of query and body."""
        fields = [*self._of_path(), *self._of_query(), *self._of_body()]
        return [each for each in fields if each.what is None or each.what.kind not in (Kind.SECRET, Kind.WORD)]

    def words(self) -> list[Field]:
        """Parameters of the path that are names, not ids."""
        return [each for each in self._of_path() if each.what is not None and each.what.kind is Kind.WORD]

    def fields(self) -> list[Field]:
        """Every field of query and body, whatever it means."""
        media_type, schema = self.body or ("", {})
        properties = self._whole(schema).get("properties", {})
        queried = [Field("query", name, None) for name in self.queried]
        return [*queried, *(Field(media_type, name, None) for name in properties if name != "file")]

    def _of_path(self) -> Iterator[Field]:
        yield from (self._field("path", name) for name in self.parameters)

    def _of_query(self) -> Iterator[Field]:
        yield from (self._field("query", name) for name in self.queried if is_id_like(name))

    @property
    def queried(self) -> list[str]:
        """Parameters of the query."""
        return [each["name"] for each in self.described["parameters"] if each["in"] == "query"]

    def _of_body(self) -> Iterator[Field]:
        media_type, schema = self.body or ("", {})
        for name in sorted(self._properties(schema)):
            if is_id_like(name.rpartition(".")[2]):
                yield self._field(media_type, name)

    def _properties(self, schema: Json, within: str = "", depth: int = 0) -> Iterator[str]:
        whole = self._whole(schema)
        for name, inner in whole.get("properties", {}).items():
            yield within + name
            if depth < 5:
                yield from self._properties(inner, f"{within}{name}.", depth + 1)
        for inner in (*whole.get("anyOf", ()), *whole.get("oneOf", ()), *whole.get("allOf", ())):
            yield from self._properties(inner, within, depth + 1)
        if isinstance(items := whole.get("items"), Mapping):
            yield from self._properties(dict(items), within, depth + 1)

    def _whole(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        return self.schemas[reference.rpartition("/")[2]] if reference else schema

    def _field(self, place: str, name: str) -> Field:
        return Field(place, name, meaning(f"{self.name} {name}", name.rpartition(".")[2]))


async def every_operation(url: str) -> list[Operation]:
    """All operations that the gateway publishes."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as nobody:
        document: Json = (await nobody.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    return [
        Operation(method.upper(), path, described, schemas)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method in METHODS
    ]
