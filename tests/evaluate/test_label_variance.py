"""AUROC from bins, against scipy's rank statistic over single pixels."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from stages.evaluate.label_variance import auroc, edge_ratio, edge_sums, edges, variance_table


def scored(log_variance, wrong):
    return auroc(variance_table(torch.tensor(log_variance, dtype=torch.float32), torch.tensor(wrong)))


@pytest.mark.parametrize("centre", [-18.0, 0.0, 1.0, 80.0])
@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.7, 5.0])
def test_auroc_is_the_rank_statistic(centre, shift):
    rng = np.random.default_rng(0)
    wrong = rng.random(3000) < 0.3
    score = centre + rng.normal(size=3000) + shift * wrong
    expected = mannwhitneyu(score[wrong], score[~wrong]).statistic / (wrong.sum() * (~wrong).sum())
    assert scored(score, wrong) == pytest.approx(expected, abs=2e-3)


def test_ties_count_half_also_across_zero():
    score = [-1.0, -1.0, -0.0, 0.0, 2.0, 2.0]
    wrong = [False, True, True, False, False, True]
    expected = mannwhitneyu([-1, 0, 2], [-1, 0, 2]).statistic / 9
    assert scored(score, wrong) == expected == 0.5


def test_perfect_and_inverted_separation():
    assert scored([-3.0, -2.0, 1.0, 5.0], [False, False, True, True]) == 1
    assert scored([-3.0, -2.0, 1.0, 5.0], [True, True, False, False]) == 0


def test_tables_of_batches_add_up():
    rng = np.random.default_rng(1)
    score, wrong = torch.tensor(rng.normal(size=500)), torch.tensor(rng.random(500) < 0.5)
    parts = sum(variance_table(score[i::3], wrong[i::3]) for i in range(3))
    assert torch.equal(parts, variance_table(score, wrong))


@pytest.mark.parametrize("wrong", [True, False])
def test_without_either_kind_there_is_none(wrong):
    assert scored([1.0, 2.0], [wrong, wrong]) is None


def boxes():
    """A box of 10 x 8 with one of 6 x 4 on it, and one cut by the picture's corner."""
    index = torch.zeros(1, 24, 32, dtype=torch.int64)
    index[0, 4:12, 3:13] = 1
    index[0, 5:9, 4:10] = 2
    index[0, 18:, 22:] = 3
    return index


def test_edges_are_the_pixels_near_another_box_or_outside():
    index = boxes()
    _, height, width = index.shape
    expected = torch.zeros_like(index, dtype=torch.bool)
    for y in range(height):
        for x in range(width):
            around = index[0, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
            expected[0, y, x] = index[0, y, x] > 0 and (around != index[0, y, x]).any()
    assert torch.equal(edges(index), expected)
    assert not expected[0, -1, -1]


def test_the_edge_ratio_is_that_of_geometric_means():
    index = boxes()
    near = edges(index)
    log_variance = torch.where(near, 1.25, -0.5) + torch.where(index > 0, 0, 40)
    assert edge_ratio(edge_sums(log_variance, index)) == pytest.approx(np.exp(1.75))


def test_no_boxes_have_no_edges():
    assert edge_ratio(edge_sums(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8, dtype=torch.int64))) is None
