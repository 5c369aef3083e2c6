"""What runs in the sandboxed children: one engine, held open, and one page after another."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pagemesh.results.v1.outcome_pb2 import Failure
from pagemesh.work.v1.sandbox_pb2 import ReadFrame, ReadRequest
from services.ocr.engine import Driver, Engine, make_engine
from services.ocr.faults import PageFault
from services.ocr.recognize import read_page

ENGINE_VARIABLE, DPI_VARIABLE, DATA_VARIABLE = "PAGEMESH_OCR_ENGINE", "PAGEMESH_OCR_DPI", "PAGEMESH_OCR_DATA"


def handle(payload: bytes) -> Iterator[bytes]:
    """The one frame of a ReadRequest for one page."""
    request = ReadRequest.FromString(payload)
    try:
        page = read_page(
            _engine(),
            Path(request.path),
            request.mime_type,
            request.pages[0],
            request.languages or "eng",
            int(os.environ.get(DPI_VARIABLE, "200")),
            request.password or None,
        )
        yield ReadFrame(page=page).SerializeToString()
    except PageFault as fault:
        yield ReadFrame(failure=Failure(code=fault.code, message=fault.message)).SerializeToString()


@functools.cache
def _engine() -> Engine:
    driver = cast("Driver", os.environ.get(ENGINE_VARIABLE, "auto"))
    return make_engine(driver, Path(os.environ[DATA_VARIABLE]))
