"""JSON Schemas (draft 2020-12) that callers give: whether one can be held against an object without going anywhere."""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_BYTES = 64 << 10
MAX_DEPTH = 24
"""Levels of objects and lists; messages of messages go no deeper than three times that."""


class BadSchema(ValueError):
    """What is wrong with the schema, as a sentence for a person."""


def check(schema: Mapping[str, Any]) -> None:
    """Raises BadSchema unless this is a JSON Schema of an object, without references to other documents."""
    # Imported here: most processes that know this module check no schema in all their life.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if depth(schema) > MAX_DEPTH:
        raise BadSchema(f"It is nested too deeply: deeper than {MAX_DEPTH} levels.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadSchema(f"It is no JSON Schema: {error.message[:200]}") from error
    if schema.get("type", "object") != "object":
        raise BadSchema("It must describe an object.")
    if not all(reference.startswith("#") for reference in _references(schema)):
        raise BadSchema("It must not refer to other documents.")


def depth(value: object) -> int:
    """How many levels of objects and lists a value has, told without recursion."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, Mapping | list)]:
        deepest, level = deepest + 1, [inner for outer in level for inner in _inside(outer)]
    return deepest


def _inside(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from (schema[name] for name in ("$ref", "$dynamicRef") if isinstance(schema.get(name), str))
    for inner in _inside(schema):
        yield from _references(inner)
