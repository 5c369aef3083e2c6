"""Reading one page: render, recognize, turn when it lies sideways, word for word into the message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pagemesh.results.v1 import page_pb2
from services.ocr.engine import Box, Engine, Recognized, check_languages, describe
from services.ocr.language import language_of
from services.ocr.passes import Reading, read_picture
from services.ocr.render import RenderedPage, render

if TYPE_CHECKING:
    from PIL import Image


def read_page(
    engine: Engine,
    path: Path,
    mime_type: str,
    number: int,
    languages: str = "eng",
    dpi: int = 200,
    password: str | None = None,
) -> page_pb2.Page:
    """Read page `number` (from 1) of a PDF or picture; a blank page has empty text.

    Places are points of the page as displayed, before the turn that `rotation` tells of.
    Raises PageFault with any of its codes.
    """
    check_languages(languages, engine.languages())
    rendered = render(path, mime_type, number, dpi, password)

    def closer(scale: float) -> Image.Image:
        return render(path, mime_type, number, round(dpi * scale), password).image

    reading = read_picture(engine, rendered.image, languages, round(rendered.dpi), closer)
    return to_page(reading, rendered, number, languages, describe(engine))


def to_page(reading: Reading, rendered: RenderedPage, number: int, languages: str, engine: str) -> page_pb2.Page:
    """The message for what was read; `rendered` gives the scale from pixels to points."""
    text = text_of(reading.recognized)
    page = page_pb2.Page(
        number=number,
        width=rendered.width,
        height=rendered.height,
        source=page_pb2.PAGE_SOURCE_OCR,
        language=language_of(text, languages),
        confidence=reading.recognized.confidence,
        text=text,
        engine=engine,
        rotation=reading.turn,
    )
    scale = (rendered.width / rendered.image.width, rendered.height / rendered.image.height)
    for line in reading.recognized.lines:
        words = [
            page_pb2.Word(text=word.text, box=_box(word.box, scale), confidence=word.confidence) for word in line.words
        ]
        page.lines.add(text=line.text, box=_around([word.box for word in words]), words=words)
    return page


def text_of(recognized: Recognized) -> str:
    """Lines ended by a newline, paragraphs parted by an empty line."""
    parts: list[str] = []
    for index, line in enumerate(recognized.lines):
        if index and line.paragraph != recognized.lines[index - 1].paragraph:
            parts.append("")
        parts.append(line.text)
    return "\n".join(parts)


def _box(box: Box, scale: tuple[float, float]) -> page_pb2.Box:
    x, y = scale
    return page_pb2.Box(left=box.left * x, top=box.top * y, right=box.right * x, bottom=box.bottom * y)


def _around(boxes: list[page_pb2.Box]) -> page_pb2.Box:
    return page_pb2.Box(
        left=min(box.left for box in boxes),
        top=min(box.top for box in boxes),
        right=max(box.right for box in boxes),
        bottom=max(box.bottom for box in boxes),
    )
