"""What requests about runs must hold, and what they mean."""

from typing import Any

import pytest

from mesh.errors import PagemeshError
from services.gateway.surfaces.runs.asked import run_form, wanted_analyses, wanted_reading
from services.gateway.surfaces.runs.models import RunBody, RunConfig
from services.gateway.validation import parse_json

DOCUMENT = "6f1d7a52-3f0c-5c86-9f0e-0a4f3b7f7d11"
GOOD = [
    b'{"source": {"url": "https://example.org/a.pdf"}}',
    b'{"source": {"s3": "s3://a-bucket/some key.pdf"}, "config": {}}',
    b'{"source": {"document_id": "%s"}, "config": {"analyses": ["summary", "tagging"]}}' % DOCUMENT.encode(),
    b'{"source": {"text": "x"}, "config": {"mode": "text", "languages": "eng+hin", "priority": 0}}',
]
BAD = {
    b"{}": "source",
    b'{"source": {}}': "source",
    b'{"source": {"url": "https://example.org", "text": "x"}}': "source",
    b'{"source": {"url": null}}': "source",
    b'{"source": {"url": null, "text": "x"}}': "source",
    b'{"source": {"text": ""}}': "source.text",
    b'{"source": {"text": 1}}': "source.text",
    b'{"source": {"s3": "s3://x"}}': "source.s3",
    b'{"source": {"s3": "https://bucket/key"}}': "source.s3",
    b'{"source": {"document_id": "x"}}': "source.document_id",
    b'{"source": {"file": "x"}}': "source.file",
    b'{"source": {"text": "x"}, "config": {"analyses": ["poetry"]}}': "config.analyses.0",
    b'{"source": {"text": "x"}, "config": {"analyses": ["summary", "summary"]}}': "config",
    b'{"source": {"text": "x"}, "config": {"priority": 10}}': "config.priority",
    b'{"source": {"text": "x"}, "config": {"mode": "fast"}}': "config.mode",
    b'{"source": {"text": "x"}, "configuration": {}}': "configuration",
}


@pytest.mark.parametrize("raw", GOOD)
def test_sources_come_alone(raw: bytes) -> None:
    """Each kind, with and without a configuration."""
    assert 1 == len(parse_json(raw, RunBody).source.model_dump(exclude_none=True))


@pytest.mark.parametrize("raw", BAD)
def test_what_is_wrong_is_named(raw: bytes) -> None:
    """By the path of the field."""
    with pytest.raises(PagemeshError) as caught:
        parse_json(raw, RunBody)
    assert ("VALIDATION_ERROR", {BAD[raw]}) == (caught.value.reason, {*caught.value.details})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"config": '{"mode": "fast"}'}, "config.mode"),
        ({"config": '{"analyses": "summary"}'}, "config.analyses"),
        ({"config": "{"}, "config"),
        ({"config": "[]"}, "config"),
        ({"priority": "5"}, "priority"),
    ],
)
def test_forms_are_checked_like_bodies(fields: dict[str, str], wrong: str) -> None:
    """The configuration inside one is named like that of a body."""
    with pytest.raises(PagemeshError) as caught:
        run_form(fields)
    assert ("VALIDATION_ERROR", {wrong}) == (caught.value.reason, {*caught.value.details})


def test_empty_fields_of_forms_count_as_absent() -> None:
    """As browsers send them."""
    form, config = run_form({"config": "", "callback_url": ""})
    assert (None, RunConfig()) == (form.callback_url, config)


def asked(**config: Any) -> list[tuple[str, str]]:
    """Types and prompts of the analyses that a configuration asks for."""
    return [(one.analysis_type, one.prompt) for one in wanted_analyses(RunConfig(**config))]


def test_prompts_go_to_those_that_need_them() -> None:
    """And to no other; where one is needed and missing that is said."""
    question = "How much?"
    assert [("summary", ""), ("custom", question)] == asked(analyses=["summary", "custom"], prompt=question)
    for prompt in (None, " "):
        with pytest.raises(PagemeshError) as caught:
            asked(analyses=["question_answering"], prompt=prompt)
        assert {"config.prompt"} == {*caught.value.details}


def test_how_to_read() -> None:
    """As uploads say it."""
    reading = wanted_reading(RunConfig(mode="table", languages="hin", password="p"))
    assert (2, "hin", "p") == (reading.mode, reading.languages, reading.password)
