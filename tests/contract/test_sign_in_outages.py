"""Providers that answer badly, slowly, not at all, or from elsewhere."""

import gzip
import threading
import time

import pytest

from services.auth import outgoing
from tests.contract.sign_in_range import AWAY, Range, refused, target
from tests.support import forger as forged
from tests.support.loopback import Answer, LoopbackServer

__all__ = ["target"]  # a fixture


RUDE = {
    "failing": Answer(500),
    "overloaded": Answer(429),
    "not JSON": Answer(body=b"<html>"),
    "no object": Answer(body=b"[]"),
    "endless": Answer(body=b" " * (1 << 20) + b"{}"),
    "unfolding": Answer(body=gzip.compress(b" " * (1 << 24) + b"{}"), headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("rude", RUDE.values(), ids=list(RUDE))
async def test_a_provider_that_answers_badly_is_away(target: Range, rude: Answer) -> None:
    """503 with Retry-After, at the token endpoint and the API."""
    returned = await target.github_returns()
    begun = await target.begin("forged")
    target.github.rude = target.forger.rude = rude
    try:
        answers = [
            await target.finish("github", returned),
            await target.finish("forged", {"code": forged.CODE, "state": begun["state"]}),
        ]
    finally:
        target.github.rude = target.forger.rude = None
    assert [AWAY] * 2 == [refused(answer) for answer in answers]
    assert {"5"} == {answer.headers["retry-after"] for answer in answers}


async def test_an_ailing_provider_is_asked_once(target: Range) -> None:
    """No call between our services multiplies what a person asked for."""
    returned = await target.github_returns()
    target.github.rude, before = Answer(503), len(target.github.asked)
    try:
        assert AWAY == refused(await target.finish("github", returned))
    finally:
        target.github.rude = None
    assert 1 == len(target.github.asked) - before


async def test_redirects_are_not_followed(target: Range) -> None:
    """Neither a code nor a secret goes where the operator did not say."""
    returned = await target.github_returns()
    with LoopbackServer() as elsewhere:
        target.github.rude = Answer(307, headers={"location": f"{elsewhere.url}/token"})
        try:
            assert AWAY == refused(await target.finish("github", returned))
        finally:
            target.github.rude = None
        assert [] == elsewhere.asked


@pytest.mark.parametrize("bound", ["_SECONDS", "_TOGETHER_SECONDS"])
async def test_a_provider_that_is_silent_is_not_waited_for_forever(
    target: Range, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """503 when its time is up, for one answer or for all together."""
    returned = await target.github_returns()
    monkeypatch.setattr(outgoing, bound, 0.2)
    target.github.silent = threading.Event()
    began = time.monotonic()
    try:
        assert AWAY == refused(await target.finish("github", returned))
    finally:
        target.github.silent.set()
        target.github.silent = None
    assert time.monotonic() - began < 4


async def test_our_own_wrong_secret_is_no_fault_of_the_code(
    target: Range, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """503, and the log tells the operator what the provider said."""
    returned = await target.github_returns()
    monkeypatch.setattr(target.github, "client_secret", "another")
    assert AWAY == refused(await target.finish("github", returned))
    assert "incorrect_client_credentials" in str([record.__dict__ for record in caplog.records])
