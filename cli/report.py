"""What was found in a document, for people to read."""

import textwrap
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

_EXCERPT_CHARACTERS = 600
_ROWS = 12
_VALUES = 6


def print_outcome(outcome: Json) -> None:
    """Prints an excerpt of the text, the first table, and each analysis with its evidence."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.rule(Text(outcome["file"], style="bold"), align="left")
    if outcome["error"]:
        console.print(f"Failed: {outcome['error']['code']}: {outcome['error']['message']}")
        return
    console.print(_headline(outcome))
    console.print(Text("\nText", style="bold"))
    console.print(textwrap.indent(textwrap.shorten(outcome["text"], _EXCERPT_CHARACTERS, placeholder=" …"), "  "))
    if outcome["tables"]:
        first = outcome["tables"][0]
        console.print(Text(f"\nTable 1 of {len(outcome['tables'])}, page {first['page']}", style="bold"))
        console.print(_table(first["rows"]))
    for analysis in outcome["analyses"]:
        _print_analysis(console, analysis)


def _headline(outcome: Json) -> str:
    result = outcome["job"]["result"]
    seconds = result["processing_time_ms"] / 1000
    pages, ocr, failed = result["page_count"], result["ocr_page_count"], len(result["pages_failed"])
    told = f"{pages} pages, {ocr} by OCR, {len(outcome['tables'])} tables, {seconds:.1f} s"
    return f"{told}, {failed} pages could not be read" if failed else told


def _table(rows: list[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_header=bool(rows))
    for title in rows[0] if rows else []:
        table.add_column(Text(title))
    for row in rows[1:_ROWS]:
        table.add_row(*(Text(text) for text in row))
    return table


def _print_analysis(console: Console, analysis: Json) -> None:
    sure = f"confidence {analysis['confidence_score']:.2f}"
    console.print(Text(f"\n{analysis['analysis_type']} by {analysis['model_version']}, {sure}", style="bold"))
    found = dict(analysis["result_data"])
    evidence = found.pop("evidence", {})
    for name in sorted(found, key=lambda name: (name != "summary", name)):
        if name.endswith("_detail"):
            continue  # the same values again, taken apart for programs
        console.print(f"  {name}:")
        values = _values(name, found[name])
        for path, line in values[:_VALUES]:
            console.print(f"    {line}")
            for place in _places(evidence.get(path, [])):
                console.print(Text(f"        {place}", style="dim"))
        if len(values) > _VALUES:
            console.print(f"    … and {len(values) - _VALUES} more; --json shows all")


def _values(name: str, value: object) -> list[tuple[str, str]]:
    """Each single value with the path under which its evidence is."""
    if isinstance(value, dict):
        return [(f"{name}.{key}", f"{key}: {_short(inner)}") for key, inner in value.items()]
    if isinstance(value, list):
        return [(f"{name}[{number}]", f"- {_short(inner)}") for number, inner in enumerate(value)]
    return [(name, _short(value))]


def _places(evidence: Json | list[Json]) -> list[str]:
    several = evidence if isinstance(evidence, list) else [evidence]
    return [f"page {place['page']}: “{_short(place['quote'])}”" for place in several if "quote" in place]


def _short(value: object) -> str:
    return textwrap.shorten(str(value), 160, placeholder=" …")
