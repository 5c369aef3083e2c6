"""Schemas that callers give are looked at without going anywhere."""

from typing import Any

import pytest

from mesh.json_schema import MAX_DEPTH, BadSchema, check, depth, validator


def nested(levels: int) -> dict[str, Any]:
    """A schema of so many levels, an odd number."""
    schema: dict[str, Any] = {}
    for _ in range((levels - 1) // 2):
        schema = {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        {"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
        {"properties": {"self": {"$ref": "#"}}},
        nested(MAX_DEPTH - 1),
    ],
)
def test_good_ones(schema: dict[str, Any]) -> None:
    """References inside are fine."""
    check(schema)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "nonsense"}, "no JSON Schema"),
        ({"properties": []}, "no JSON Schema"),
        ({"type": "array"}, "an object"),
        ({"type": ["object", "null"]}, "an object"),
        ({"$ref": "http://127.0.0.1/a"}, "other documents"),
        ({"properties": {"a": {"$dynamicRef": "a.json"}}}, "other documents"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "pattern"),
        ({"properties": {"a": {"pattern": "(a"}}}, "regex"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"allOf": [{"$ref": "file:///etc/passwd"}]}, "other documents"),
        ({"description": "x" * 65_536}, "larger"),
        ({"maximum": 10**400}, "too large"),
        (nested(MAX_DEPTH + 1), "deep"),
        (nested(2_001), "deep"),
    ],
)
def test_bad_ones(schema: dict[str, Any], told: str) -> None:
    """With a sentence that says why, however deep they are."""
    with pytest.raises(BadSchema, match=told):
        check(schema)


def test_patterns_and_references_take_no_time() -> None:
    """Such as would take for ever, of the kind that a stranger could send."""
    slow = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    check(slow)
    assert ["$.a"] == [error.json_path for error in validator(slow).iter_errors({"a": "a" * 5_000 + "!"})]
    assert [] == list(validator(slow).iter_errors({"a": "aaa"}))
    steps = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    doubling = {"$defs": {**steps, "d40": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    check(doubling)
    with pytest.raises(BadSchema, match="too long"):
        list(validator(doubling).iter_errors({"a": 1}))


def test_depth() -> None:
    """Levels of objects and lists."""
    values: list[Any] = ["a", {}, [], [{}], {"a": [1, {"b": 2}]}]
    assert [0, 1, 1, 2, 3] == [depth(each) for each in values]
