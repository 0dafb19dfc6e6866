"""Ratios of means over seeds: Fieller's interval against its definition."""

import numpy as np
import pytest
from scipy import stats

from stages.analysis.statistics import estimate, holm, p_value, ratio


def test_the_ends_of_a_ratio_are_where_the_paired_difference_is_just_told_from_zero():
    over, under = {0: 7.0, 1: 8.5, 2: 6.0, 3: 7.7}, {0: 10.0, 1: 9.0, 2: 9.5, 3: 11.0}
    found = ratio(over, under, 0.9)
    assert found.mean == pytest.approx(sum(over.values()) / sum(under.values()))
    for end in (found.low, found.high):
        differences = [over[seed] - end * under[seed] for seed in over]
        assert stats.ttest_1samp(differences, 0).pvalue == pytest.approx(0.1, abs=1e-9)
    assert found.low < found.mean < found.high


def test_the_interval_covers_the_ratio_of_the_true_means_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        noise = rng.normal(size=(2, 4))
        under = dict(enumerate(10 + noise[0]))
        over = dict(enumerate(6 + 0.8 * noise[0] + 0.6 * noise[1]))
        found = ratio(over, under, 0.95)
        inside += found.low <= 0.6 <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_one_seed_or_a_denominator_that_may_be_zero_has_no_interval():
    assert (ratio({3: 5.0}, {3: 10.0}, 0.95).mean, ratio({3: 5.0}, {3: 10.0}, 0.95).low) == (0.5, None)
    wide = ratio({0: 1.0, 1: 2.0}, {0: -3.0, 1: 9.0}, 0.95)
    assert (wide.mean, wide.low, wide.high) == (0.5, None, None)


def test_p_is_that_of_the_t_test_and_none_of_one_seed():
    values = {0: 1.0, 1: 2.5, 2: 2.0}
    expected = stats.ttest_1samp(list(values.values()), 0.7).pvalue
    assert p_value(estimate(values, 0.95), 0.7) == pytest.approx(expected)
    assert p_value(estimate({0: 1.0}, 0.95), 0.7) is None
    assert p_value(estimate({0: 1.0, 1: 1.0}, 0.95), 0.7) == 0.0
    assert p_value(estimate({0: 0.7, 1: 0.7}, 0.95), 0.7) == 1.0


def test_holms_correction_multiplies_the_smallest_by_all_and_never_falls():
    """Of five: 5, 4 and 3 times, then the 0.04 at least as much as the one before, and 1 at most."""
    assert holm([0.04, 0.001, 0.6, 0.03, 0.002]) == pytest.approx([0.09, 0.005, 0.6, 0.09, 0.008])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
