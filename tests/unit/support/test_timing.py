"""The test of times tells what it says it does."""

import numpy as np
import pytest

from tests.support.timing import SAMPLES, Times, differ, told_apart


def noisy(generator: np.random.Generator, base: float, noise: float) -> Times:
    """Times of one kind on a machine whose delays have this mean, now and then ten times as much."""
    delays = generator.exponential(noise, SAMPLES) * np.where(generator.random(SAMPLES) < 0.1, 10, 1)
    times: Times = base + delays
    return times


@pytest.mark.parametrize("noise", [0.001, 0.03, 0.2])
def test_alarms_are_as_rare_as_promised(noise: float) -> None:
    """In a round without a difference about one pair in a hundred is suspected; never three in a row by chance."""
    generator = np.random.default_rng(7)
    alarms = sum(differ(noisy(generator, 0.04, noise), noisy(generator, 0.04, noise), seed) for seed in range(300))
    assert alarms <= 12


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.03])
def test_the_difference_of_a_hash_is_seen(noise: float) -> None:
    """28 ms more are found in nearly every round, also where delays are as large as that."""
    generator = np.random.default_rng(7)
    found = sum(differ(noisy(generator, 0.012, noise), noisy(generator, 0.04, noise), seed) for seed in range(100))
    assert found >= 90


async def test_rounds_end_when_nobody_is_suspected() -> None:
    """Things that take the same time are not told apart, and asked once in most cases."""
    asked = 0

    async def thing() -> None:
        nonlocal asked
        asked += 1

    assert set() == await told_apart({"one": thing, "other": thing})
    assert asked in (2 * SAMPLES, 4 * SAMPLES, 6 * SAMPLES)
