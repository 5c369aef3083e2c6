"""What an OCR engine is: a picture goes in, lines of words with places and confidence come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from services.ocr.faults import PageFault

if TYPE_CHECKING:
    from PIL import Image

Driver = Literal["auto", "tesserocr", "pytesseract"]


class Layout(IntEnum):
    """What the engine may assume of the picture; the values are Tesseract's page segmentation modes."""

    PAGE = 3
    BLOCK = 6
    SPARSE = 11


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels from the picture's upper left corner."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `confidence` is 0 to 1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class Line:
    """The words of one line in reading order; lines of one paragraph share `paragraph`."""

    words: tuple[Word, ...]
    paragraph: int

    @property
    def text(self) -> str:
        """The words with blanks between."""
        return " ".join(word.text for word in self.words)

    def moved(self, place: Callable[[Box], Box]) -> Line:
        """The same words in other places."""
        return replace(self, words=tuple(replace(word, box=place(word.box)) for word in self.words))


@dataclass(frozen=True, slots=True)
class Recognized:
    """The lines of one picture in reading order."""

    lines: tuple[Line, ...]

    @property
    def words(self) -> list[Word]:
        """The words of all lines."""
        return [word for line in self.lines for word in line.words]

    @property
    def confidence(self) -> float:
        """Mean confidence over characters, 0 to 1; 0 when there is no text."""
        characters = sum(len(word.text) for word in self.words)
        return sum(word.confidence * len(word.text) for word in self.words) / characters if characters else 0.0

    def moved(self, place: Callable[[Box], Box]) -> Recognized:
        """The same words in other places."""
        return Recognized(tuple(line.moved(place) for line in self.lines))


class Engine(Protocol):
    """An OCR engine that is open and ready. Not for use by two threads at once."""

    @property
    def name(self) -> str:
        """Name and driver, "tesseract (tesserocr)" for one."""
        ...

    @property
    def version(self) -> str:
        """Version of the recognizer, "5.5.4" for one."""
        ...

    def languages(self) -> frozenset[str]:
        """Codes of the installed languages, such as `eng` and `hin`."""
        ...

    def recognize(self, image: Image.Image, languages: str, dpi: int, layout: Layout = Layout.PAGE) -> Recognized:
        """Read a greyscale picture. `languages` is `eng` or `eng+hin`.

        Raises PageFault `language_missing` or `ocr_failed`.
        """
        ...


def describe(engine: Engine) -> str:
    """The engine's name and version in one string, "tesseract 5.5.4 (tesserocr)" for one."""
    recognizer, _, driver = engine.name.partition(" ")
    return f"{recognizer} {engine.version} {driver}".strip()


def check_languages(wanted: str, installed: Iterable[str]) -> list[str]:
    """Split `eng+hin` into its codes; PageFault `language_missing` names the first that is not installed."""
    known = sorted(installed)
    codes = [code for code in wanted.split("+") if code]
    for code in codes or [wanted]:
        if code not in known:
            raise PageFault("language_missing", f'Language "{code}" is not installed. Installed: {", ".join(known)}.')
    return codes


def make_engine(name: Driver, tessdata_dir: Path) -> Engine:
    """Open an engine on a directory of `*.traineddata`; `auto` takes tesserocr where it can be imported.

    Raises ImportError for `tesserocr` without its wheel, FileNotFoundError for `pytesseract` without a command.
    """
    if name == "pytesseract":
        return _pytesseract(tessdata_dir)
    try:
        from services.ocr.tesserocr_engine import TesserocrEngine  # one driver must work without the other's package
    except ImportError:
        if name == "tesserocr":
            raise
        return _pytesseract(tessdata_dir)
    return TesserocrEngine(tessdata_dir)


def _pytesseract(tessdata_dir: Path) -> Engine:
    from services.ocr.pytesseract_engine import PytesseractEngine

    return PytesseractEngine(tessdata_dir)
