"""Makes the demo documents: `python -m tools.make_samples [directory]`, `samples` by default.

The same versions of reportlab, Pillow and numpy give the same bytes.
"""

import argparse
from pathlib import Path

from tools.documents.letter import scanned_letter
from tools.documents.memo import memo
from tools.documents.report import quarterly_report

SAMPLES = {
    "quarterly-report.pdf": quarterly_report,
    "scanned-letter.pdf": scanned_letter,
    "one-page.pdf": memo,
}


def main() -> None:
    """Write every sample and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path("samples"))
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, make in SAMPLES.items():
        content = make()
        (directory / name).write_bytes(content)
        print(f"{directory / name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
