"""`python -m benchmarks [NAME …]`: runs the benchmarks one after another and reports them.

A run of all of them replaces benchmarks/results, so that what stands there is of one run; a run of some writes only
where `--output` says.
"""

import argparse
import asyncio
import importlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Findings, Json, machine
from benchmarks.report import as_json, readme, table

NAMES = (
    "start",
    "latency",
    "peer",
    "polls",
    "limits",
    "extraction",
    "ocr",
    "memory",
    "held",
    "alive",
    "fanout",
    "upload",
)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs what the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--output", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    names: Sequence[str] = arguments.names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    output = arguments.output or (RESULTS if set(names) == set(NAMES) else None)
    write(output, [run(name) for name in names])


def run(name: str) -> Json:
    """Runs one benchmark and prints its table."""
    before, started = machine(), time.monotonic()
    print(f"\n{name} (load average {before['load_average'][0]:g})", flush=True)
    findings: Findings = asyncio.run(importlib.import_module(f"benchmarks.suite.{name}").measure())
    print(table(findings.figures), flush=True)
    return as_json(name, findings, before, time.monotonic() - started)


def write(output: Path | None, results: Sequence[Json]) -> None:
    """One file a benchmark, and README.md with the tables of all."""
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    for result in results:
        text = json.dumps(result, indent=1, ensure_ascii=False)
        (output / f"{result['benchmark']}.json").write_text(f"{text}\n", encoding="utf-8")
    (output / "README.md").write_text(readme(results), encoding="utf-8")
    print(f"\nWritten to {output}")


if __name__ == "__main__":
    main()
