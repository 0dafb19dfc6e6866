"""Rates by hand; `test_scores` compares whole runs with a slow loop."""

import pytest
import torch

from stages.evaluate.box_errors import box_error_rates, box_error_table


def test_hand_made_example():
    #                     outside  right     wrong     void  person's box, wrong
    target = torch.tensor([[[0, 0, 1, 1, 1, 1, 1, 1, 1, 2]]])
    truth_ = torch.tensor([[[0, 1, 1, 1, 1, 0, 0, 2, 255, 1]]])
    found_ = torch.tensor([[[1, 1, 1, 0, 0, 1, 1, 0, 1, 1]]]).bool()
    table = box_error_table(target, truth_, found_, 3)
    assert table.tolist() == [[[0, 0], [0, 0]], [[2, 1], [1, 2]], [[0, 0], [0, 1]]]
    rates = box_error_rates(table, ("background", "car", "person"))
    assert rates["precision"] == pytest.approx(100 * 3 / 4)
    assert rates["recall"] == pytest.approx(100 * 3 / 4)
    assert rates["false_flip_rate"] == pytest.approx(100 / 3)
    assert rates["share_wrong"] == pytest.approx(100 * 4 / 7)
    assert rates["share_found"] == pytest.approx(100 * 4 / 7)
    assert rates["classes"]["car"]["recall"] == pytest.approx(100 * 2 / 3)
    assert rates["classes"]["person"]["precision"] == 100


def test_rates_of_nothing_are_none():
    target = torch.ones(1, 2, 2, dtype=torch.int64)
    rates = box_error_rates(box_error_table(target, target, target == 0, 2), ("background", "car"))
    assert rates["precision"] is None and rates["recall"] is None
    assert rates["false_flip_rate"] == 0 and rates["share_wrong"] == 0
    empty = box_error_table(0 * target, target, target == 1, 2)
    assert set(box_error_rates(empty, ("background", "car"))["classes"]["car"].values()) == {None}
