"""Placeholders of templates: names in double braces and nothing else, filled once and never evaluated."""

import pytest

from mesh.errors import InvalidArgument
from pagemesh.results.v1.templates_pb2 import TemplateVariable
from services.results.instructions import fill, parse

TONE = TemplateVariable(name="tone", required=True)
LANGUAGE = TemplateVariable(name="language", default="English")
NOTE = TemplateVariable(name="note")


def _shown(instructions: str, **values: str) -> str:
    pieces = fill(instructions, [TONE, LANGUAGE, NOTE], {"tone": "dry", **values})
    return "".join("<document>" if piece.document else piece.said + piece.value for piece in pieces)


def test_placeholders_stand_for_what_is_given() -> None:
    """The document, values, defaults, and nothing for what nobody has to give."""
    told = "Be {{tone}}, in {{ language }}.{{note}}\n{{ text }} and again {{text}}"
    assert "Be dry, in English.\n<document> and again <document>" == _shown(told)
    assert "Be dry, in Hindi.!\n<document> and again <document>" == _shown(told, language="Hindi", note="!")


@pytest.mark.parametrize("value", ["{{text}}", "{{ tone }}", "{% x %}", "}}", "{{", "{{language}}{{text}}"])
def test_values_are_never_looked_into(value: str) -> None:
    """Whatever they look like."""
    assert f"Say {value} of <document>" == _shown("Say {{note}} of {{text}}", note=value)


@pytest.mark.parametrize(
    "instructions",
    [
        *(
            "{{text.upper}}",
            "{{ text | upper }}",
            "{{text()}}",
            "{{text[0]}}",
            "{{ 7*7 }}",
            "{{}}",
            "{{ }}",
            "{{ a b }}",
        ),
        *("{{ text", "{{{text}}}", "{% for x in text %}", "{# note #}", "{{'text'}}", "{{ __class__ }}", "{{unknown}}"),
        *("{{ text\n}}", "{{text}} {{tone.__init__.__globals__}}", "{{Text}}", "{{ te\u200bxt }}", "{{\u0442ext}}"),
    ],
)
def test_anything_else_in_braces_is_refused(instructions: str) -> None:
    """With what it was, and for which field."""
    with pytest.raises(InvalidArgument) as refused:
        parse(instructions, ["tone", "language", "note"])
    assert ("instructions", "INVALID_ARGUMENT") == (refused.value.details["field"], refused.value.reason)


@pytest.mark.parametrize("text", ['{"a": {"b": 1}}', "{text}", "$5 {x}", "}} {", "%s %(text)s", "a { { b } }"])
def test_other_braces_are_text(text: str) -> None:
    """JSON in instructions, for one."""
    assert [(text, False)] == parse(text, [])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "options.variables.tone"),
        ({"tone": "dry", "other": "x"}, "options.variables.other"),
        ({"tone": "dry", "text": "x"}, "options.variables.text"),
        ({"tone": "x" * 64_001}, "options.variables"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, str], field: str) -> None:
    """Missing, undeclared, or too much of them."""
    with pytest.raises(InvalidArgument) as refused:
        fill("{{tone}}", [TONE, LANGUAGE, NOTE], values)
    assert field == refused.value.details["field"]
