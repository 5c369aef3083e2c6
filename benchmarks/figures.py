"""What a benchmark found: each figure with all its rounds, and what it is compared with."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_FEW = 12


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `ours` and `theirs` hold one value a round; their medians are compared.

    `at_least` and `at_most` are what is wanted: of the ratio ours / theirs, or of ours when nothing is compared.
    """

    what: str
    unit: str
    ours: Sequence[float]
    against: str = ""
    theirs: Sequence[float] = ()
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        """Of ours."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float | None:
        """Median of ours by median of theirs; None when nothing is compared."""
        return self.median / statistics.median(self.theirs) if self.theirs else None

    @property
    def met(self) -> bool | None:
        """Whether it is as wanted; None when nothing is wanted."""
        if self.at_least is None and self.at_most is None:
            return None
        value = self.median if self.ratio is None else self.ratio
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def as_json(self) -> Json:
        """Everything, rounded."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": series(self.ours),
            "against": self.against or None,
            "theirs": series(self.theirs) if self.theirs else None,
            "ratio": None if self.ratio is None else rounded(self.ratio),
            "wanted": {"at_least": self.at_least, "at_most": self.at_most},
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """The figures of one benchmark, how they were measured, and whatever else explains them."""

    figures: Sequence[Figure]
    method: str
    details: Mapping[str, Any] = field(default_factory=dict)


def series(values: Sequence[float]) -> Json:
    """Median, smallest and largest, with every round of a few, or the 95th percentile of many."""
    summary: Json = {"median": rounded(statistics.median(values)), "min": rounded(min(values))}
    summary |= {"max": rounded(max(values)), "count": len(values)}
    if len(values) <= _FEW:
        return summary | {"rounds": [rounded(value) for value in values]}
    return summary | {"p95": rounded(statistics.quantiles(values, n=20)[-1])}


def rounded(value: float) -> float:
    """Four significant digits, and never less than whole numbers."""
    return float(f"{value:.4g}") if abs(value) < 1000 else float(round(value))


def machine() -> Json:
    """Where and when this runs, and how busy the machine is at this moment."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
