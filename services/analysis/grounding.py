"""Hold a model's answer against the document: which of its values stand there, and how sure that makes us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.analysis.evidence import Evidence, EvidenceIndex, normal_form
from services.analysis.values import find_values

_WEIGHT: Final = {"verified": 1.0, "fuzzy": 0.7, "unsupported": 0.0}
_NOT_CLAIMS: Final = ("labels[", "tags_detail[")
_MAX_QUOTES: Final = 8
_MAX_NAMED: Final = 20
_MISQUOTED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Grounding:
    """Evidence by path, the share of values that it carries (0–1), and what is to be said about the others."""

    evidence: dict[str, list[dict[str, Any]]]
    support: float
    warnings: tuple[str, ...]


def ground(data: Mapping[str, Any], claimed: Mapping[str, Any], index: EvidenceIndex) -> Grounding:
    """Check the claimed quotes of every value; a value without one is looked up itself."""
    evidence: dict[str, list[dict[str, Any]]] = {}
    weights: list[float] = []
    warnings: list[str] = []
    for path, value in leaves(data):
        if path.startswith(_NOT_CLAIMS) or value in (None, "") or isinstance(value, bool):
            continue
        found = _evidence(path, value, claimed, index)
        evidence[path] = [item.as_json() for item in found]
        weight = max((_WEIGHT[item.match] for item in found), default=0.0)
        if not weight:
            warnings.append(f"No evidence in the document for {path}.")
        elif not _stands_in(value, found):
            warnings.append(f"The value of {path} does not stand in its quote.")
            weight *= _MISQUOTED
        weights.append(weight)
    if len(warnings) > _MAX_NAMED:
        warnings = [*warnings[:_MAX_NAMED], f"And {len(warnings) - _MAX_NAMED} more values without support."]
    return Grounding(evidence, sum(weights) / len(weights) if weights else 0.0, tuple(warnings))


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar with its path: "key_metrics.total", "insights[0]"."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from leaves(value, f"{path}[{place}]")
    else:
        yield path, data


def _evidence(path: str, value: Any, claimed: Mapping[str, Any], index: EvidenceIndex) -> list[Evidence]:
    """The quotes given for a path, those of the nearest path around it, or the value as its own quote."""
    quotes: list[Any] = next((claimed[place] for place in _around(path) if claimed.get(place)), [])
    found = [index.locate(str(quote["quote"]), int(quote["page"])) for quote in quotes[:_MAX_QUOTES]]
    if any(item.match != "unsupported" for item in found):
        return found
    own = index.locate(str(value))
    return [*found, own] if own.match != "unsupported" else found


def _around(path: str) -> Iterator[str]:
    yield path
    for at in range(len(path) - 1, 0, -1):
        if path[at] in ".[":
            yield path[:at]


def _stands_in(value: Any, found: list[Evidence]) -> bool:
    """Whether the figures of a value stand in its quotes, in whatever notation; text without figures always does."""
    text = str(value)
    if not any(character.isdigit() for character in text) or len(text) > 80:
        return True
    quotes = " ".join(item.quote for item in found if item.match != "unsupported")
    if normal_form(text).strip() in normal_form(quotes):
        return True
    asked, quoted = _figures(text), _figures(quotes)
    return bool(asked) and asked <= quoted


def _figures(text: str) -> set[float | str]:
    values = find_values(text)
    return {abs(value.number) if value.number is not None else value.day or value.text for value in values}
