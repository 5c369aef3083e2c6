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
    confidence = analysis.get("confidence_score")
    sure = "" if confidence is None else f", confidence {confidence:.2f}"
    console.print(Text(f"\n{analysis['analysis_type']} by {analysis['model_version']}{sure}", style="bold"))
    found = dict(analysis["result_data"])
    evidence = found.pop("evidence", {})
    for name, value in found.items():
        console.print(f"  {name}:")
        for line in _value_lines(value):
            console.print(f"    {line}")
    if evidence:
        console.print("  evidence:")
        for name, places in evidence.items():
            console.print(f"    {name}: {_places(places)}")


def _value_lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {_short(inner)}" for name, inner in value.items()]
    if isinstance(value, list):
        return [f"- {_short(inner)}" for inner in value]
    return [_short(value)]


def _places(places: object) -> str:
    several = places if isinstance(places, list) else [places]
    return "; ".join(_place(place) for place in several)


def _place(place: object) -> str:
    if isinstance(place, dict) and "quote" in place:
        return f"page {place.get('page', '?')}, “{_short(place['quote'])}”"
    return _short(place)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return textwrap.shorten(text, 160, placeholder=" …")
