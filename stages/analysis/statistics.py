"""Means with their spread and their intervals. scipy and statsmodels are imported where needed: they take a second."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measured:
    """One quantity of a row over its seeds, usually in percent."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation over the seeds; None for one seed, which has no spread."""
        return statistics.stdev(self.values) if self.n > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.sd is None else f"{self.mean:.2f} ± {self.sd:.2f}"


@dataclass(frozen=True)
class Estimate:
    """A measure over seeds with an interval.

    Attributes:
        values: By seed. mean: what is estimated; usually their mean.
        low, high: The interval's ends; None where there is none.
    """

    values: Mapping[int, float]
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.mean:.2f}, n = {self.n}"
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}], n = {self.n}"


def estimate(values: Mapping[int, float], confidence: float) -> Estimate:
    """Return the mean of values by seed with its interval by Student's t; a single seed has none."""
    numbers = list(values.values())
    mean = math.fsum(numbers) / len(numbers)
    if len(numbers) < 2:
        return Estimate(values, mean)
    from scipy import stats

    scale = statistics.stdev(numbers) / math.sqrt(len(numbers))
    low, high = stats.t.interval(confidence, len(numbers) - 1, mean, scale) if scale else (mean, mean)
    return Estimate(values, mean, float(low), float(high))


def p_value(measured: Estimate, threshold: float) -> float | None:
    """Return the two-sided p of a mean against a threshold by Student's t; None for a single seed.

    Values that do not differ have p 0, or 1 at the threshold.
    """
    from scipy import stats

    numbers = list(measured.values.values())
    if len(numbers) < 2:
        return None
    scale = statistics.stdev(numbers) / math.sqrt(len(numbers))
    if not scale:
        return float(measured.mean == threshold)
    return float(2 * stats.t.sf(abs(measured.mean - threshold) / scale, len(numbers) - 1))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values of one family, adjusted so that any false one among them is as rare as one alone (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(values, method="holm")[1].tolist() if values else []


def ratio(numerators: Mapping[int, float], denominators: Mapping[int, float], confidence: float) -> Estimate:
    """Return the ratio of two means over the same seeds, with its interval by Fieller's theorem.

    The interval holds every ratio r for which the mean of numerator - r denominator, paired by seed, is not told from
    zero by Student's t. It has no ends for a single seed, or where the denominator's mean is not told from zero.

    Args:
        numerators: By seed. denominators: by the same seeds; their mean is not 0.
        confidence: In (0, 1).

    Returns:
        The estimate, whose values are the numerators.

    Source: Fieller 1954, Some problems in interval estimation.
    """
    from scipy import stats

    over, under = (np.array([of[seed] for seed in numerators]) for of in (numerators, denominators))
    mean = float(over.mean() / under.mean())
    n = len(over)
    if n < 2:
        return Estimate(numerators, mean)
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) ** 2 / n
    (var_over, both), (_, var_under) = np.cov(over, under) * reach
    a, b, c = under.mean() ** 2 - var_under, over.mean() * under.mean() - both, over.mean() ** 2 - var_over
    if a <= 0:
        return Estimate(numerators, mean)
    half = math.sqrt(max(b * b - a * c, 0.0))
    return Estimate(numerators, mean, float((b - half) / a), float((b + half) / a))


def estimate_sd(values: Mapping[int, float], confidence: float) -> Estimate:
    """Return the standard deviation of two or more values by seed, with its interval by chi-squared."""
    from scipy import stats

    sd, freedom = statistics.stdev(values.values()), len(values) - 1
    tails = stats.chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], freedom)
    low, high = sd * np.sqrt(freedom / tails)
    return Estimate(values, sd, float(low), float(high))


def seeds_needed(values: Sequence[float], distance: float, confidence: float, power: float) -> int | None:
    """Return how many seeds would tell a mean from a threshold, by the power of a paired t-test.

    Args:
        values: By seed, two or more; they give the spread.
        distance: From the mean to the threshold.
        confidence: Of the interval that has to clear the threshold, so 1 - alpha.
        power: The chance that it does.

    Returns:
        A number of seeds, or None where no number below 1000 is enough.
    """
    from statsmodels.stats.power import TTestPower

    sd = statistics.stdev(values)
    if not sd or not distance:
        return None
    needed = float(np.squeeze(TTestPower().solve_power(distance / sd, alpha=1 - confidence, power=power)))
    return math.ceil(needed) if needed < 1000 else None


def range_by_chance(table: np.ndarray, confidence: float) -> float:
    """Return how far apart the best and worst of equal means lie by chance, by Tukey's studentised range.

    Args:
        table: (M, N), M means of N seeds each, the same seeds in each line; what neither line nor seed explains is the
            noise.
        confidence: The share of such studies in which the range stays below.
    """
    from scipy import stats

    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    noise = np.sqrt((left**2).sum() / freedom / table.shape[1])
    return float(stats.studentized_range.ppf(confidence, len(table), freedom) * noise)
