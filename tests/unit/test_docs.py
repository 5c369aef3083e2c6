"""The guides say everything that there is to set and to go wrong, as it is."""

import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from pagemesh.errors.v1.reason_pb2 import ErrorReason

_ROOT = Path(__file__).parents[2]
_GUIDES = _ROOT / "docs" / "guides"
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \|", re.MULTILINE)
_PREFIX = "PAGEMESH_"
_SETTINGS = sorted(
    str(path.relative_to(_ROOT).with_suffix("")).replace("/", ".")
    for package in ("mesh", "services")
    for path in (_ROOT / package).rglob("*settings.py")
)


def _classes(module: str) -> Iterator[type]:
    for name, kind in vars(importlib.import_module(module)).items():
        if name.endswith("Settings") and isinstance(kind, type) and kind.__module__ == module:
            yield kind


def _shown(value: object) -> str:
    """A default as the guide writes it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", ()):
        return "none"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _variables(kind: type[BaseSettings]) -> dict[str, str | None]:
    """The variables that the class itself declares, with their defaults; None where the machine decides."""
    own = {name: field for name, field in kind.model_fields.items() if name in kind.__annotations__}
    return {
        f"{_PREFIX}{name.upper()}": None if field.default is PydanticUndefined else _shown(field.default)
        for name, field in own.items()
    }


def _documented(guide: str) -> dict[str, set[str]]:
    """The first two cells of every row of the guide's tables."""
    rows: dict[str, set[str]] = {}
    for name, default in _ROW.findall((_GUIDES / guide).read_text("utf-8")):
        rows.setdefault(name, set()).add(default.strip().strip("`"))
    return rows


def _bounds(kind: Any) -> dict[str, str]:
    """Fields of a plain settings class that nobody must give."""
    return {field.name: _shown(field.default) for field in dataclasses.fields(kind) if _shown(field.default) != "none"}


@pytest.mark.parametrize("module", _SETTINGS)
def test_every_setting_is_documented_with_its_default(module: str) -> None:
    """Each variable has a row in configuration.md, and the row names the default that holds."""
    rows = _documented("configuration.md")
    variables = {
        name: default
        for kind in _classes(module)
        if issubclass(kind, BaseSettings)
        for name, default in _variables(kind).items()
    }
    wrong = {name: rows.get(name) for name, default in variables.items() if not _says(rows.get(name), default)}
    assert {} == wrong


def test_bounds_of_the_language_model_are_documented() -> None:
    """Fields that are constants, or come from a variable of another name, are named too."""
    from services.analysis.llm_settings import LlmSettings

    guide = (_GUIDES / "configuration.md").read_text("utf-8")
    named = {field.name for field in dataclasses.fields(LlmSettings) if f"`{field.name}`" in guide}
    assert {field.name for field in dataclasses.fields(LlmSettings)} == named
    constants = {name: values for name, values in _documented("configuration.md").items() if name in named}
    assert {name: {_bounds(LlmSettings)[name]} for name in constants} == constants


def test_nothing_is_documented_that_nobody_reads() -> None:
    """Each variable that configuration.md names is a setting, or is spelled out somewhere in the code."""
    named = set(re.findall(rf"{_PREFIX}[A-Z_]+", (_GUIDES / "configuration.md").read_text("utf-8")))
    settings = {
        variable
        for module in _SETTINGS
        for kind in _classes(module)
        if issubclass(kind, BaseSettings)
        for variable in _variables(kind)
    }
    sources = [path for folder in ("cli", "services", "tests/support") for path in (_ROOT / folder).rglob("*.py")]
    spelled = {name for path in sources for name in re.findall(rf"{_PREFIX}[A-Z_]+", path.read_text("utf-8"))}
    assert set() == named - settings - spelled


def test_every_error_reason_is_documented() -> None:
    """Each reason of the proto, as the public code that it is, has a row in errors.md."""
    codes = {name.removeprefix("ERROR_REASON_").lower() for name, number in ErrorReason.items() if number}
    assert set() == codes - set(_documented("errors.md"))


def _says(documented: set[str] | None, default: str | None) -> bool:
    return documented is not None and (default is None or default in documented)
