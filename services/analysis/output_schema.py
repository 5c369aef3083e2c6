"""The shape that a caller forces on `result_data`: checking it, checking against it, filling it from found fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema.exceptions import ValidationError, best_match
from referencing.exceptions import Unresolvable

from mesh import json_schema
from services.analysis.canonical import canonical, field_name
from services.analysis.faults import AnalysisFault
from services.analysis.values import find_dates, find_values

_MAX_DEPTH: Final = 8
_ABSENT: Final = object()


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise `invalid_output_schema` unless this is a JSON Schema of an object without outside references."""
    try:
        json_schema.check(schema)
    except json_schema.BadSchema as fault:
        raise AnalysisFault("invalid_output_schema", f"output_schema: {fault}") from fault


def violation(data: Any, schema: Mapping[str, Any]) -> str | None:
    """Why data does not fit a schema, as "place: reason", or None where it does."""
    try:
        error: ValidationError | None = best_match(json_schema.validator(schema).iter_errors(data))
    except json_schema.BadSchema as fault:
        raise AnalysisFault("invalid_output_schema", f"output_schema: {fault}") from fault
    except (Unresolvable, RecursionError) as fault:
        raise AnalysisFault("invalid_output_schema", "output_schema has references that lead nowhere.") from fault
    return None if error is None else f"{error.json_path}: {error.message[:300]}"


@dataclass(slots=True)
class _Filler:
    """Copies values by property name out of what the local analyzer found, with their evidence."""

    found: Mapping[str, Any]
    support: Mapping[str, list[dict[str, Any]]]
    evidence: dict[str, list[dict[str, Any]]]

    def fill(self, schema: Mapping[str, Any], path: str = "", depth: int = 0) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        for name, shape in schema.get("properties", {}).items():
            shape = shape if isinstance(shape, Mapping) else {}
            place = f"{path}.{name}" if path else name
            value = self._value(name, shape, place, depth)
            if value is not _ABSENT:
                filled[name] = value
        return filled

    def _value(self, name: str, shape: Mapping[str, Any], place: str, depth: int) -> Any:
        for source, value in self._sources(name):
            if (cast := _cast(value, shape)) is not _ABSENT:
                self._copy(source, place)
                return cast
        if shape.get("properties") and depth < _MAX_DEPTH:
            return self.fill(shape, place, depth + 1) or _ABSENT
        return None if "null" in _types(shape) else _ABSENT

    def _sources(self, name: str) -> list[tuple[str, Any]]:
        """Where a property of this name may be: a part of the result, a field, a metric."""
        keys = [name, field_name(name)]
        keys += [known for known, _ in canonical(name.replace("_", " "))]
        places: list[tuple[str, Any]] = [(name, self.found[name])] if name in self.found else []
        for room in ("fields", "key_metrics"):
            values = self.found.get(room, {})
            places += [(f"{room}.{key}", values[key]) for key in dict.fromkeys(keys) if key in values]
        return places

    def _copy(self, source: str, place: str) -> None:
        for path, evidence in self.support.items():
            if path == source or path.startswith((f"{source}[", f"{source}.")):
                self.evidence[place + path[len(source) :]] = evidence


def fill_schema(found: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Shape local findings by a schema; evidence goes along under `evidence` unless the schema forbids it.

    Raises `output_schema_unsupported` where the document does not name what the schema requires.
    """
    evidence: dict[str, list[dict[str, Any]]] = {}
    filled = _Filler(found, found.get("evidence", {}), evidence).fill(schema)
    if (reason := violation(filled, schema)) is not None:
        raise AnalysisFault("output_schema_unsupported", f"The local analyzer cannot fill output_schema: {reason}")
    return with_evidence(filled, evidence, schema)


def with_evidence(data: dict[str, Any], evidence: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put the evidence beside the data, except where the schema would refuse it or has its own `evidence`."""
    whole = {**data, "evidence": evidence}
    return data if "evidence" in data or violation(whole, schema) is not None else whole


def _types(shape: Mapping[str, Any]) -> list[str]:
    kinds = shape.get("type", [])
    return [kinds] if isinstance(kinds, str) else [str(kind) for kind in kinds]


def _cast(value: Any, shape: Mapping[str, Any]) -> Any:
    """A found value as the type that a property wants, `_ABSENT` where it cannot be that."""
    kinds = _types(shape)
    for candidate in _readings(value, kinds, shape.get("format") == "date"):
        if violation(candidate, shape) is None:
            return candidate
    return _ABSENT


def _readings(value: Any, kinds: list[str], wants_date: bool) -> list[Any]:
    if not isinstance(value, str):
        return [value]
    readings: list[Any] = [found.day for found in find_dates(value)[:1]] if wants_date else []
    if {"number", "integer"} & set(kinds):
        numbers = [found.number for found in find_values(value) if found.number is not None][:1]
        readings += [int(number) if number.is_integer() else number for number in numbers]
    return [*readings, value] if not wants_date or not readings else readings
