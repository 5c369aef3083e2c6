"""JSON Schemas (draft 2020-12) that callers give: whether one can be held against an object, and holding it.

Nothing is fetched, and nothing takes long: patterns run in linear time, and references are followed so many times.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

MAX_BYTES = 64 << 10
MAX_DEPTH = 24
"""Levels of objects and lists; messages of messages go no deeper than three times that."""


_MOST_REFERENCES = 20_000


class BadSchema(ValueError):
    """What is wrong with the schema, as a sentence for a person."""


def check(schema: Mapping[str, Any]) -> None:
    """Raises BadSchema unless this is a JSON Schema of an object, without references to other documents.

    Patterns have to be regular: no lookaround, no back references. `patternProperties` is not taken.
    """
    # Imported here: most processes that know this module check no schema in all their life.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if depth(schema) > MAX_DEPTH:
        raise BadSchema(f"It is nested too deeply: deeper than {MAX_DEPTH} levels.")
    if _size(schema) > MAX_BYTES:
        raise BadSchema(f"It is larger than {MAX_BYTES} bytes.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadSchema(f"It is no JSON Schema: {error.message[:200]}") from error
    if schema.get("type", "object") != "object":
        raise BadSchema("It must describe an object.")
    if not all(reference.startswith("#") for reference in _references(schema)):
        raise BadSchema("It must not refer to other documents.")
    _check_patterns(schema)


def _size(schema: Mapping[str, Any]) -> int:
    try:
        return len(orjson.dumps(schema))
    except TypeError as error:  # an integer beyond 64 bits
        raise BadSchema("It holds a number that is too large.") from error


def validator(schema: Mapping[str, Any]) -> "Draft202012Validator":
    """Holds data against a schema that `check` let pass. Raises BadSchema, while it does, when that takes too long."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    followed = 0

    def counting(keyword: str) -> "Callable[..., Iterator[ValidationError]]":
        def follow(*asked: Any) -> "Iterator[ValidationError]":
            nonlocal followed
            followed += 1
            if followed > _MOST_REFERENCES:
                raise BadSchema("Its references take too long to follow.")
            yield from Draft202012Validator.VALIDATORS[keyword](*asked) or ()

        return follow

    references = {keyword: counting(keyword) for keyword in ("$ref", "$dynamicRef")}
    kind = extend(Draft202012Validator, {**references, "pattern": _matches})  # type: ignore[no-untyped-call]  # it has none
    bounded: Draft202012Validator = kind(schema, registry=Registry())  # empty: no reference is ever fetched
    return bounded


def _matches(asking: object, pattern: str, instance: object, within: Mapping[str, Any]) -> "Iterator[ValidationError]":
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not _pattern(pattern).isinstance_python(instance):
        yield ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _check_patterns(schema: object) -> None:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("patternProperties"), Mapping):
            raise BadSchema("patternProperties is not taken.")
        if isinstance(pattern := schema.get("pattern"), str):
            try:
                _pattern(pattern)
            except PatternError as error:
                raise BadSchema(f"This pattern is not taken: {pattern[:100]!r}.") from error
    for inner in _inside(schema):
        _check_patterns(inner)


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
