"""Findings as JSON and as Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.figures import Figure, Findings, Json, rounded, series

_COLUMNS = ("what", "unit", "ours", "compared with", "theirs", "ratio", "wanted", "met")


def as_json(name: str, findings: Findings, machine: Json, seconds: float) -> Json:
    """The whole of one benchmark. `machine` is how it was found before."""
    return {
        "benchmark": name,
        "machine": machine,
        "seconds": round(seconds),
        "method": findings.method,
        "figures": [figure.as_json() for figure in findings.figures],
        "table": table(findings.figures).splitlines(),
        "details": findings.details,
    }


def table(figures: Iterable[Figure]) -> str:
    """Markdown: medians, with the smallest and largest round in brackets."""
    head, rule = _line(_COLUMNS), _line(["---"] * len(_COLUMNS))
    return "\n".join([head, rule, *map(_row, figures)])


def readme(results: Sequence[Json]) -> str:
    """The report of one run."""
    machine = results[0]["machine"]
    run = (
        f"One run of `make bench`, {machine['at']}: {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']:g} GiB, {machine['system']}, Python {machine['python']}. Median of all rounds, with "
        "the smallest and the largest in brackets. Ratio: ours by theirs."
    )
    lines = ["# Benchmarks", "", run]
    for result in results:
        lines += ["", f"## {result['benchmark']}", "", *result["table"], "", result["method"]]
        load = ", ".join(f"{value:g}" for value in result["machine"]["load_average"])
        lines += ["", f"Load average before: {load}. Took {result['seconds']} s."]
    return "\n".join([*lines, ""])


def _row(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else f"{rounded(figure.ratio):g}"
    met = {None: "", True: "yes", False: "**no**"}[figure.met]
    theirs = _spread(figure.theirs) if figure.theirs else ""
    cells = (figure.what, figure.unit, _spread(figure.ours), figure.against, theirs, ratio, _wanted(figure), met)
    return _line(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    summary = series(values)
    if summary["count"] == 1:
        return f"{summary['median']:g}"
    return f"{summary['median']:g} ({summary['min']:g}–{summary['max']:g})"


def _wanted(figure: Figure) -> str:
    bounds = (("≥", figure.at_least), ("≤", figure.at_most))
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
