"""The comparison of whole trainings on the fast path and on the plain one: that it compares what it says."""

import pytest
import torch

from benchmarks import fast_path
from stages.errors import UserError
from stages.train import loop

CPU = torch.device("cpu")


def test_the_plain_path_is_fp32_in_contiguous_memory_and_the_fast_one_is_what_training_takes(
    settings, project, monkeypatch
):
    monkeypatch.setattr("stages.train.trainer.precision", lambda _: torch.bfloat16)
    met = []

    def fit(trainer, label):
        weights = list(trainer.network.parameters())
        met.append((trainer.precision, all(weight.is_contiguous() for weight in weights)))

    monkeypatch.setattr(loop.Trainer, "fit", fit)
    pair = fast_path.compare(loop.prepare(settings, "bce-500", 3, project), CPU)
    assert met == [(torch.bfloat16, False), (torch.float32, True)]
    assert pair[0] == pytest.approx(pair[1], abs=0.5)  # the same start, since nothing was trained


def test_a_training_ends_with_the_iou_of_its_network(settings, project):
    pair = fast_path.compare(loop.prepare(settings, "bootstrap-500-2280", 0, project), CPU)
    assert all(0 <= value <= 100 for value in pair)


def test_the_difference_is_paired_by_seed():
    (line,) = fast_path.table({"row": [(60.0, 59.0), (70.0, 70.0), (50.0, 48.0)]}).splitlines()[1:]
    assert line.split() == ["row", "60.00", "±", "10.00", "59.00", "±", "11.00", "+1.00", "[-1.48,", "3.48]", "3"]


def test_without_bf16_units_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(fast_path, "precision", lambda _: torch.float32)
    monkeypatch.setattr("sys.argv", ["fast_path"])
    with pytest.raises(UserError, match="has no bf16 units"):
        fast_path.main()


def test_a_row_that_is_none_is_one_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["fast_path", "--rows", "none"])
    with pytest.raises(UserError, match="^--row none: no such row"):
        fast_path.main()
