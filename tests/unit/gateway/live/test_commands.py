"""Client messages: the three that there are, and every way to get them wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.live import commands
from services.gateway.live.commands import MESSAGE_BYTES, BadMessage, Ping, Subscribe, Unsubscribe, parse
from services.gateway.live.updates import Channel


def test_commands() -> None:
    """Each type is understood; channels keep their order and come once; what else a message says is ignored."""
    assert Ping() == parse('{"type": "ping", "id": 7}')
    both = '["job_updates", "document_updates", "job_updates"]'
    assert Subscribe((Channel.JOBS, Channel.DOCUMENTS)) == parse(f'{{"type": "subscribe", "channels": {both}}}')
    assert Unsubscribe(()) == parse('{"type": "unsubscribe", "channels": []}')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "invalid_message"),
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("\ud800", "invalid_json"),
        ("[" * 5_000, "invalid_json"),
        ("NaN", "invalid_json"),
        ("[]", "invalid_message"),
        ('"ping"', "invalid_message"),
        ("{}", "invalid_message"),
        ('{"type": null}', "invalid_message"),
        ('{"type": ["ping"]}', "invalid_message"),
        ('{"type": "PING"}', "unknown_type"),
        ('{"type": "subscribe"}', "invalid_message"),
        ('{"type": "subscribe", "channels": "job_updates"}', "invalid_message"),
        ('{"type": "subscribe", "channels": [1]}', "invalid_message"),
        ('{"type": "subscribe", "channels": ["job_updates", "other"]}', "unknown_channel"),
        ('{"type": "unsubscribe", "channels": {"job_updates": 1}}', "invalid_message"),
        (" " * (MESSAGE_BYTES + 1), "message_too_large"),
    ],
)
def test_bad(text: str | None, code: str) -> None:
    """What is no command is told from the others by its code."""
    with pytest.raises(BadMessage) as caught:
        parse(text)
    assert code == caught.value.code


@given(st.text())
def test_any_text(text: str) -> None:
    """Nothing but BadMessage comes of any text."""
    with pytest.raises(BadMessage):
        parse(text)


def test_answers() -> None:
    """Answers name channels as clients do."""
    assert {"type": "subscribed", "channels": ["job_updates"]} == json.loads(commands.subscribed([Channel.JOBS]))
    left = commands.unsubscribed([Channel.JOBS], [Channel.DOCUMENTS])
    expected = {"type": "unsubscribed", "channels": ["job_updates"], "subscribed": ["document_updates"]}
    assert expected == json.loads(left)
    assert {"type": "error", "error": "a_code", "message": "M."} == json.loads(commands.error("a_code", "M."))
