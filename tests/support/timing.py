"""Whether things take different time: a randomization test that hardly ever errs, however noisy the machine.

Kinds of the same thing are timed in random order, so that whatever else happens on the machine falls on all of them
alike. Two kinds are suspected when their lower quartiles (noise only ever adds) lie farther apart than in 99 of 100
random relabellings of the same times. Only a pair that is suspected in the same direction in three rounds of three is
told apart: where there is no difference that happens once in some millions of times.
Source: Edgington and Onghena, "Randomization Tests", chapter 3.
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 3
SAMPLES = 24
_RELABELLINGS = 2_000
_SUSPICIOUS = 0.01
_QUARTILE = 25

Times = NDArray[np.float64]
Timed = Callable[[], Awaitable[object]]


async def told_apart(kinds: Mapping[str, Timed], samples: int = SAMPLES) -> set[tuple[str, str]]:
    """Pairs of kinds, each with the faster one first, that take different time in every round."""
    suspects: set[tuple[str, str]] | None = None
    for _ in range(ROUNDS):
        times = await _measured(kinds, samples)
        found = {pair for pair in combinations(sorted(kinds), 2) if differ(times[pair[0]], times[pair[1]])}
        ordered = {_faster_first(pair, times) for pair in found}
        suspects = ordered if suspects is None else suspects & ordered
        if not suspects:
            break
    return suspects or set()


def differ(one: Times, other: Times, seed: int = 0) -> bool:
    """Whether two sets of times are suspicious."""
    generator = np.random.default_rng(seed)
    together, size = np.concatenate([one, other]), len(one)
    shuffled = generator.permuted(np.tile(together, (_RELABELLINGS, 1)), axis=1)
    by_chance = np.abs(_quartiles(shuffled[:, :size]) - _quartiles(shuffled[:, size:]))
    seen = abs(_quartiles(one[None])[0] - _quartiles(other[None])[0])
    return float((np.sum(by_chance >= seen) + 1) / (_RELABELLINGS + 1)) < _SUSPICIOUS


async def _measured(kinds: Mapping[str, Timed], samples: int) -> dict[str, Times]:
    order = [kind for kind in kinds for _ in range(samples)]
    random.shuffle(order)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind in order:
        began = time.perf_counter()
        await kinds[kind]()
        times[kind].append(time.perf_counter() - began)
    return {kind: np.array(each) for kind, each in times.items()}


def _faster_first(pair: tuple[str, str], times: Mapping[str, Times]) -> tuple[str, str]:
    one, other = sorted(pair, key=lambda kind: float(_quartiles(times[kind][None])[0]))
    return one, other


def _quartiles(rows: Times) -> Times:
    quartiles: Times = np.percentile(rows, _QUARTILE, axis=1)
    return quartiles
