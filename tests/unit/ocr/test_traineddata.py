"""The tool that fetches Hindi."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tools import traineddata


def model(parts: int = 24, network: int = 300) -> bytes:
    offsets = [-1] * parts
    offsets[traineddata.LSTM] = network
    return struct.pack(f"<i{parts}q", parts, *offsets) + bytes(400)


def test_knows_a_model(data: Path) -> None:
    """What Tesseract ships and what looks like it pass."""
    assert traineddata.is_traineddata((data / "eng.traineddata").read_bytes())
    assert traineddata.is_traineddata(model())


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"<html>not found</html>" * 40, model()[:100], model(network=-1), model(network=9999)]
)
def test_refuses_what_is_no_model(content: bytes) -> None:
    """Error pages, halves and models without a network are refused."""
    assert not traineddata.is_traineddata(content)


def test_takes_the_next_way_when_one_fails() -> None:
    """A way that fails or brings rubbish gives way to the next."""

    def absent(scratch: Path) -> bytes:
        raise traineddata.Unavailable("there is no npm")

    ways = {"absent": absent, "rubbish": lambda scratch: b"rubbish", "good": lambda scratch: model()}
    assert model() == traineddata.fetch(ways)


def test_tells_why_no_way_worked() -> None:
    """Each way's reason is in the message."""

    def absent(scratch: Path) -> bytes:
        raise traineddata.Unavailable("there is no npm")

    with pytest.raises(traineddata.Unavailable, match="npm: there is no npm; apt: the file is damaged"):
        traineddata.fetch({"npm": absent, "apt": lambda scratch: b""})


def test_never_leaves_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves what was there, and nothing beside it."""
    (tmp_path / traineddata.NAME).write_bytes(b"before")

    def refuse(source: str, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        traineddata.install(model(), tmp_path)
    assert {traineddata.NAME: b"before"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_succeeds_without_any_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine with neither apt nor npm one line says what to do, and setup goes on."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["traineddata.py", "--into", str(tmp_path)])
    assert traineddata.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("Hindi is not installed (apt: there is no apt-get; npm: there is no npm)")
    assert said.count("\n") == 1
