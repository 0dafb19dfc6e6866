"""The benchmark of the estimators: every one takes part, with noise where it samples, and ratios are Monte Carlo's."""

import pytest
import torch

from benchmarks import estimators
from benchmarks.estimators import ESTIMATORS
from benchmarks.sides import Timed

CPU = torch.device("cpu")


def test_every_estimator_is_timed_for_each_number_of_classes():
    found = estimators.run([2, 4], pixels=30, samples=3, device=CPU, rounds=2, steps=1)
    assert list(found) == [2, 4]
    for sides in found.values():
        assert list(sides) == ["monte_carlo", "rao_blackwell", "printed", "mean_field"]
        assert all(len(timed.seconds) == 2 and timed.median > 0 for timed in sides.values())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_noise_is_drawn_where_an_estimator_samples(name):
    before = torch.get_rng_state()
    estimators._step(name, pixels=30, classes=3, samples=2, device=CPU)()
    assert torch.equal(before, torch.get_rng_state()) == (name == "mean_field")


def test_a_ratio_is_how_many_times_monte_carlos():
    sides = {"monte_carlo": Timed((0.002, 0.004)), "mean_field": Timed((0.001, 0.002))}
    lines = estimators.table({3: sides, 8: sides}).splitlines()
    assert lines[1].split() == ["monte_carlo", "3.00", "1.00", "3.00", "1.00"]
    assert lines[2].split() == ["mean_field", "1.50", "0.50", "1.50", "0.50"]


@pytest.mark.parametrize("argument", ["0", "many"])
def test_a_count_that_is_none_is_refused(monkeypatch, capsys, argument):
    monkeypatch.setattr("sys.argv", ["estimators", "--classes", argument])
    with pytest.raises(SystemExit):
        estimators.main()
    assert "allowed: a whole number from 1" in capsys.readouterr().err


def test_the_table_is_printed_under_what_was_measured(monkeypatch, capsys):
    arguments = ["--classes", "2", "--pixels", "20", "--samples", "2", "--rounds", "1", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["estimators", *arguments, "--steps", "1"])
    estimators.main()
    printed = capsys.readouterr().out
    assert "20 pixels, 2 samples, 1 rounds of 1 steps" in printed
    assert all(name in printed for name in ESTIMATORS)
