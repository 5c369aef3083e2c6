"""The engines, opened once."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from services.ocr import tessdata
from services.ocr.engine import Driver, Engine, make_engine


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with this machine's language data."""
    return tessdata.prepare(tmp_path_factory.mktemp("tessdata"))


@pytest.fixture(scope="session", params=["tesserocr", "pytesseract"])
def driver(request: pytest.FixtureRequest, data: Path) -> Engine:
    """Each driver in turn: all must pass the same tests."""
    return make_engine(cast("Driver", request.param), data)


@pytest.fixture(scope="session")
def engine(data: Path) -> Engine:
    """The driver that `auto` takes."""
    return make_engine("auto", data)
