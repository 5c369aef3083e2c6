"""Real documents, where there are any: `PAGEMESH_CORPUS`, or `shared/corpus` beside the project."""

import json
import os
from pathlib import Path
from typing import Any

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def pdfs(kind: str) -> list[tuple[Path, int]]:
    """Path and pages of every PDF of a kind; none without a corpus."""
    corpus = Path(os.environ.get("PAGEMESH_CORPUS", _DEFAULT))
    manifest = corpus / "MANIFEST.json"
    if not manifest.is_file():
        return []
    entries: list[dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))
    return [
        (corpus / entry["file"], entry["pages"])
        for entry in entries
        if entry["kind"] == kind and entry["file"].endswith(".pdf")
    ]
